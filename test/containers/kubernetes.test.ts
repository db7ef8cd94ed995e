import { cpSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Database,
  type DatabasePod,
  passwordOf,
  startDatabasePod,
} from "./kubernetes/database.ts";
import type { Node } from "./kubernetes/kubelet.ts";
import { examples, manifestFile, type PodTemplate, podTemplate } from "./kubernetes/manifests.ts";
import { play, removePods } from "./kubernetes/pods.ts";
import { kustomize } from "./kubernetes/tools.ts";
import { mustRun } from "./support/client.ts";
import { buildImage, ensureImages, ensurePreflightImages, root } from "./support/engine.ts";
import { copyImage, ensurePodEngine } from "./support/pods.ts";

const shopImage = "preflight-test-shop:1.4.0";
const images = {
  "registry.example/shop": shopImage,
  "registry.example/preflight-job": "preflight-job",
};
const allVersions = ["001", "002", "003", "004", "005", "006"];

const job = podTemplate(manifestFile("base/job.yaml"), "Job");
const drift = podTemplate(manifestFile("base/cronjob.yaml"), "CronJob");
const application = podTemplate(manifestFile("base/deployment.yaml"), "Deployment");

let pods: DatabasePod;
let files: Readonly<Record<string, string>>;
let databases = 0;

beforeAll(async () => {
  await ensurePodEngine();
  await ensurePreflightImages();
  await copyImage("preflight-job");
  const context = await makeContext();
  files = readAll(path.join(context, "migrations"), path.join(context, "preflight.ledger.json"));
  await ensureImages(["debian:bookworm-slim"]);
  await buildImage(shopImage, context);
  await copyImage(shopImage);
  pods = await startDatabasePod();
});

afterEach(removePods);
afterAll(async () => {
  await pods?.stop();
});

/** The shop's Dockerfile with the migrations of an example and their ledger. */
async function makeContext(): Promise<string> {
  const context = mkdtempSync(path.join(tmpdir(), "preflight-shop-"));
  cpSync(path.join(import.meta.dirname, "kubernetes/shop"), context, { recursive: true });
  const migrations = path.join(root, "examples/tickets/migrations");
  cpSync(migrations, path.join(context, "migrations"), { recursive: true });
  const ledger = path.join(context, "preflight.ledger.json");
  const words = ["bake", "--migrations", migrations, "--ledger", ledger];
  await mustRun(path.join(root, "dist/preflight"), words);
  return context;
}

/** As `kubectl create configmap --from-file=…` reads them. */
function readAll(directory: string, ...more: readonly string[]): Readonly<Record<string, string>> {
  const paths = [...readdirSync(directory).map((name) => path.join(directory, name)), ...more];
  return Object.fromEntries(paths.map((file) => [path.basename(file), readFileSync(file, "utf8")]));
}

async function newDatabase(): Promise<{ readonly database: Database; readonly node: Node }> {
  databases += 1;
  const database = await pods.create(`shop_${databases}`);
  return { database, node: nodeOf(database) };
}

function nodeOf({ urlOf }: Database): Node {
  const secrets = {
    "shop-owner": { url: urlOf("owner") },
    "shop-app": { url: urlOf("app") },
    "shop-check": { url: urlOf("check") },
  };
  return { images, secrets, configMaps: { "shop-migrations": files } };
}

async function versionsIn({ sql }: Database): Promise<readonly unknown[]> {
  const rows = await sql("SELECT version FROM preflight_migrations ORDER BY version");
  return rows.map(({ version }) => version);
}

/** What the manifests ask of every container that runs Preflight. */
const confined = { user: "65532:65532", memory: 128 * 1024 * 1024, readOnly: true };

describe("the Job", () => {
  it("migrates an empty database as its owner, confined as the manifest says", async () => {
    const { database, node } = await newDatabase();
    const pod = await play("preflight-job", job, node);
    expect(await pod.ended("preflight"), await pod.logs("preflight")).toBe(0);

    expect(pod.message("preflight")).toMatchObject({
      verdict: "fresh",
      outcome: "ready",
      actions: [{ kind: "upgrade", revisions: allVersions }],
    });
    expect(await versionsIn(database)).toEqual(allVersions);
    expect(
      await database.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"),
    ).toEqual([{ tableowner: "shop_owner" }]);
    const state = await pod.state("preflight");
    expect(state).toMatchObject(confined);
    expect(state.dropped).toEqual(
      expect.arrayContaining(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETUID"]),
    );
  });

  it("says in time why it stopped when it is told to", async () => {
    const { database, node } = await newDatabase();
    const closed = new URL(database.urlOf("owner"));
    closed.port = "1";
    const secrets = { ...node.secrets, "shop-owner": { url: closed.href } };
    const pod = await play("preflight-job", job, { ...node, secrets });
    await pod.says("preflight", "waiting for PostgreSQL");
    await pod.kill("preflight", "SIGTERM");
    expect(await pod.ended("preflight")).toBe(143);
    expect(pod.message("preflight")).toMatchObject({
      outcome: "signal",
      reason: "ended by SIGTERM",
    });
  });
});

describe("the Job with SQL files from a ConfigMap", () => {
  it("needs no image but Preflight's own", async () => {
    const { database, node } = await newDatabase();
    const template = podTemplate(manifestFile("sql-files/job.yaml"), "Job");
    const pod = await play("preflight-job", template, node);
    expect(await pod.ended("preflight"), await pod.logs("preflight")).toBe(0);
    expect(pod.message("preflight")).toMatchObject({ verdict: "fresh", ledger: "verified" });
    expect(await versionsIn(database)).toEqual(allVersions);
    expect(await pod.state("preflight")).toMatchObject(confined);
  });
});

describe("the Deployment", () => {
  it("starts the application after its init container, and gives it no secret but its own", async () => {
    const { database, node } = await newDatabase();
    const production = await kustomize(path.join(examples, "overlays/production"));
    const pod = await play("preflight-shop", podTemplate(production, "Deployment"), node);

    expect(await pod.state("preflight")).toMatchObject({ exit: 0, ...confined });
    expect(pod.message("preflight")).toMatchObject({ verdict: "fresh", outcome: "ready" });
    expect(await versionsIn(database)).toEqual(allVersions);
    expect(await pod.state("shop")).toMatchObject({
      status: "running",
      user: "65532:65532",
      readOnly: true,
    });
    expect(await pod.logs("shop")).toContain("the shop starts");
    expect(await pod.exec("shop", "cat", "/secrets/database/url")).toBe(database.urlOf("app"));
    const seen = await pod.exec(
      "shop",
      "sh",
      "-c",
      "cat /proc/1/environ /proc/mounts; ls -R /secrets",
    );
    expect(seen).not.toContain("shop-owner");
    expect(seen).not.toContain(passwordOf("owner"));
  });

  it("lets one of several pods migrate and all of them start", async () => {
    const { database, node } = await newDatabase();
    const all = await Promise.all(
      [1, 2, 3].map((at) => play(`preflight-shop-${at}`, application, node)),
    );
    for (const pod of all) {
      expect(await pod.state("preflight"), await pod.logs("preflight")).toMatchObject({ exit: 0 });
      expect(await pod.state("shop")).toMatchObject({ status: "running" });
    }
    const upgrades = all.filter((pod) => pod.message("preflight").actions.length > 0);
    expect(upgrades).toHaveLength(1);
    expect(await versionsIn(database)).toEqual(allVersions);
  });

  it("never starts the application on a database that is refused, and says why where kubectl shows it", async () => {
    const { database, node } = await newDatabase();
    await play("preflight-before", application, node);
    await database.sql("ALTER TABLE messages DROP COLUMN body");

    const pod = await play("preflight-shop", application, node);
    expect(await pod.state("preflight")).toMatchObject({ exit: 20 });
    expect(await pod.state("shop")).toMatchObject({ status: "created" });
    expect(await pod.logs("shop")).toBe("");
    const line = pod.message("preflight");
    expect(line).toMatchObject({ verdict: "drifted", outcome: "drift", exit: 20, actions: [] });
    expect(line.reason).toContain(
      "column messages.body is missing: revision 002 (create tickets) adds it",
    );
    expect(line.next).not.toEqual([]);
    expect(pod.rawMessage("preflight")).not.toContain(passwordOf("owner"));
  });
});

describe("the CronJob", () => {
  it("checks with a role that can only read: at head, before a migration, after a change by hand", async () => {
    const { database, node } = await newDatabase();
    // No other secret is there to be mounted.
    const readers = { "shop-check": { url: database.urlOf("check") } };
    const check = async () => {
      const pod = await play("preflight-drift", drift, { ...node, secrets: readers });
      await pod.ended("preflight");
      expect(await pod.state("preflight")).toMatchObject(confined);
      return pod.message("preflight");
    };
    expect(await check()).toMatchObject({ verdict: "fresh", outcome: "pending", exit: 30 });
    expect(
      await database.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"),
    ).toEqual([]);

    const migrated = await play("preflight-job", job, node);
    expect(await migrated.ended("preflight")).toBe(0);
    expect(await check()).toMatchObject({
      verdict: "current",
      outcome: "ready",
      exit: 0,
      ledger: "verified",
    });

    await database.sql(
      "DROP INDEX tickets_person_id_idx; ALTER TABLE people ALTER COLUMN email DROP NOT NULL",
    );
    const line = await check();
    expect(line).toMatchObject({ verdict: "drifted", outcome: "drift", exit: 20 });
    expect(line.drift.changed).toBe(1);
  });
});

describe("the termination message", () => {
  it("is the last run's alone where one container runs Preflight twice", async () => {
    const { node } = await newDatabase();
    const twice = "preflight run && preflight check";
    const [container] = job.spec.containers;
    const spec = { ...job.spec, containers: [{ ...container!, command: ["sh", "-c", twice] }] };
    const pod = await play("preflight-job", { ...job, spec }, node);
    expect(await pod.ended("preflight")).toBe(0);
    expect(pod.message("preflight")).toMatchObject({ verdict: "current", outcome: "ready" });
  });
});

describe("the secrets", () => {
  const variants: readonly (readonly [string, PodTemplate])[] = [
    ["fsGroup", without(job, "fsGroup")],
    ["a defaultMode that the group may read", withMode(job, 0o400)],
  ];

  it.each(variants)(
    "cannot be read without %s, and the message names no path",
    async (_, template) => {
      const { node } = await newDatabase();
      const pod = await play("preflight-job", template, node);
      expect(await pod.ended("preflight")).toBe(78);
      const { reason } = pod.message("preflight");
      expect(reason).toBe("DATABASE_URL_FILE names a file that cannot be read (EACCES)");
    },
  );
});

function without(template: PodTemplate, name: "fsGroup"): PodTemplate {
  const { [name]: _, ...securityContext } = template.spec.securityContext ?? {};
  return { ...template, spec: { ...template.spec, securityContext } };
}

function withMode({ spec, ...template }: PodTemplate, defaultMode: number): PodTemplate {
  const volumes = (spec.volumes ?? []).map(({ secret, ...volume }) =>
    secret === undefined ? volume : { ...volume, secret: { ...secret, defaultMode } },
  );
  return { ...template, spec: { ...spec, volumes } };
}
