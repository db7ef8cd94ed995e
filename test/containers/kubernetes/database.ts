import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { ensureImages } from "../support/engine.ts";
import { copyImage, podman } from "../support/pods.ts";
import { mustPodman } from "./pods.ts";

export type Database = {
  /** The same database for one of the roles: owner, app or check. */
  readonly urlOf: (role: Role) => string;
  /** As the superuser. */
  readonly sql: (text: string) => Promise<readonly Record<string, unknown>[]>;
};

export type Role = (typeof roles)[number];

export type DatabasePod = {
  /** A new empty one, in which the roles may do what docs/privileges.md gives them. */
  readonly create: (name: string) => Promise<Database>;
  readonly stop: () => Promise<void>;
};

const roles = ["owner", "app", "check"] as const;
const image = "postgres:18";
const pod = "preflight-test-postgres";

const manifest = `apiVersion: v1
kind: Pod
metadata:
  name: ${pod}
spec:
  containers:
    - name: postgres
      image: ${image}
      imagePullPolicy: Never
      env:
        - name: POSTGRES_PASSWORD
          value: superuser
`;

/** A PostgreSQL that other pods reach by its address. */
export async function startDatabasePod(): Promise<DatabasePod> {
  await ensureImages([image]);
  await copyImage(image);
  const stop = async (): Promise<void> =>
    void (await podman(["pod", "rm", "--force", "--time", "0", pod]));
  await stop();
  await mustPodman(["play", "kube", "-"], { input: manifest });
  const infra = await mustPodman(["pod", "inspect", "--format", "{{.InfraContainerID}}", pod]);
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  const host = await mustPodman(["inspect", "--format", format, infra]);
  const urlOf = (name: string): string => `postgresql://postgres:superuser@${host}/${name}`;
  await ready(urlOf("postgres"));
  for (const role of roles)
    await query(urlOf("postgres"), `CREATE ROLE shop_${role} LOGIN PASSWORD '${passwordOf(role)}'`);
  const create = async (name: string): Promise<Database> => {
    await query(urlOf("postgres"), `CREATE DATABASE ${name}`);
    await query(urlOf(name), grants);
    return {
      urlOf: (role) => `postgresql://shop_${role}:${passwordOf(role)}@${host}/${name}`,
      sql: (text) => query(urlOf(name), text),
    };
  };
  return { create, stop };
}

export function passwordOf(role: Role): string {
  return `secret-of-${role}`;
}

/** docs/privileges.md, with the grants given in advance. */
const grants = `
  GRANT USAGE, CREATE ON SCHEMA public TO shop_owner;
  GRANT USAGE ON SCHEMA public TO shop_app, shop_check;
  ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public GRANT SELECT ON TABLES TO shop_check;
  ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop_app;`;

/** The image's own first start ends a temporary server, so one answer over TCP is enough. */
async function ready(url: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    try {
      await query(url, "SELECT 1");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    return [...(await client.unsafe(text))];
  } finally {
    await client.end({ timeout: 1 });
  }
}
