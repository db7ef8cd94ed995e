import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GenericContainer, Wait } from "testcontainers";
import type { ServerOptions } from "./postgres.ts";

/** A server made of an image: what the tests must know of it. */
export type ImageServer = {
  readonly socketDirectory: string;
  readonly stop: () => Promise<void>;
};

/**
 * PostgreSQL from the official image or one like it, as Testcontainers starts it, with all that a server of the database tests
 * may ask for. It uses the machine's own network: the rules of a pg_hba.conf are about 127.0.0.1.
 */
export async function startImageServer(
  image: string,
  port: number,
  options: ServerOptions,
): Promise<ImageServer> {
  forgoReaper();
  const socketDirectory = await mkdtemp(join(tmpdir(), "preflight-pg-"));
  await chmod(socketDirectory, 0o1777);
  const { settings = [], hba, tls, address } = options;
  const listen = address === undefined ? "127.0.0.1" : `127.0.0.1,${address}`;
  const lines = [
    ...["max_connections = 60", "fsync = off", ...settings],
    `listen_addresses = '${listen}'`,
    // The first is where the image's own scripts reach it.
    `unix_socket_directories = '/var/run/postgresql, ${socketDirectory}'`,
    ...(hba === undefined ? [] : ["hba_file = '/preflight/pg_hba.conf'"]),
    ...(tls === undefined
      ? []
      : [
          "ssl = on",
          "ssl_cert_file = '/preflight/server.crt'",
          "ssl_key_file = '/preflight/server.key'",
        ]),
  ];
  const files = {
    "postgresql.conf": `${lines.join("\n")}\n`,
    ...(hba && { "pg_hba.conf": `${hba.join("\n")}\n` }),
    ...(tls && {
      "server.crt": await readFile(tls.certificate, "utf8"),
      "server.key": await readFile(tls.key, "utf8"),
    }),
  };
  const container = await new MachinesContainer(image)
    .withNetworkMode("host")
    .withMachinesProcesses()
    .withEnvironment({
      PGPORT: String(port),
      POSTGRES_HOST_AUTH_METHOD: "trust",
      POSTGRES_INITDB_ARGS: "--no-sync --encoding=UTF8 --locale=C",
    })
    .withBindMounts([{ source: socketDirectory, target: socketDirectory }])
    .withCopyContentToContainer(
      Object.entries(files).map(([name, content]) => ({
        content,
        target: `/preflight/${name}`,
        mode: 0o644,
      })),
    )
    // PostgreSQL reads a key that is its own alone.
    .withEntrypoint([
      "sh",
      "-c",
      'chown -R postgres /preflight && chmod -R go= /preflight && exec docker-entrypoint.sh "$@"',
      "sh",
    ])
    .withCommand(["postgres", "-c", "config_file=/preflight/postgresql.conf"])
    .withHealthCheck({
      test: ["CMD", "pg_isready", "--host", "127.0.0.1", "--username", "postgres"],
      interval: 250,
      timeout: 5000,
      retries: 400,
    })
    .withWaitStrategy(Wait.forHealthCheck())
    .start();
  const stop = async (): Promise<void> => {
    await container.stop();
    await rm(socketDirectory, { recursive: true, force: true });
  };
  return { socketDirectory, stop };
}

class MachinesContainer extends GenericContainer {
  /** A test that stops a backend names its process by the number that it has on this machine. */
  withMachinesProcesses(): this {
    this.hostConfig.PidMode = "host";
    return this;
  }
}

/**
 * Testcontainers' reaper is an image too, and not everywhere can it be pulled. What is started here is stopped by whoever
 * started it; TESTCONTAINERS_RYUK_DISABLED=false brings the reaper back.
 */
export function forgoReaper(): void {
  process.env["TESTCONTAINERS_RYUK_DISABLED"] ??= "true";
}
