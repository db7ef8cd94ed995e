import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const shop = path.join(import.meta.dirname, "../../examples/shop");

/** One migration file: its id, what it revises, and the Python of its `upgrade`. */
export type Written = {
  readonly id: string;
  readonly after?: string | readonly string[];
  readonly upgrade?: string;
};

export type HistoryOptions = {
  /** Replaces the shop's env.py. */
  readonly env?: string;
  /** Arguments for `context.configure` beside the connection. */
  readonly configure?: string;
};

/** A directory with an Alembic history of these revisions, on the shop's `alembic.ini` and `env.py`. */
export function writeHistory(revisions: readonly Written[], options: HistoryOptions = {}): string {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-history-"));
  mkdirSync(path.join(directory, "alembic/versions"), { recursive: true });
  const read = (file: string): string => readFileSync(path.join(shop, file), "utf8");
  writeFileSync(path.join(directory, "alembic.ini"), read("alembic.ini"));
  const env = options.env ?? read("alembic/env.py");
  writeFileSync(
    path.join(directory, "alembic/env.py"),
    options.configure === undefined
      ? env
      : env.replace("connection=connection", `connection=connection, ${options.configure}`),
  );
  for (const revision of revisions) writeRevision(directory, revision);
  return directory;
}

export function writeRevision(directory: string, { id, after, upgrade }: Written): void {
  const parents = Array.isArray(after) ? `(${after.map((one) => `"${one}",`).join(" ")})` : after;
  const down = parents === undefined ? "None" : Array.isArray(after) ? parents : `"${parents}"`;
  const body = (upgrade ?? "pass")
    .trim()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
  writeFileSync(
    path.join(directory, "alembic/versions", `${id}.py`),
    `import os\nimport sys\nimport time\n\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = "${id}"\ndown_revision = ${down}\n\n\ndef upgrade():\n${body}\n\n\ndef downgrade():\n    pass\n`,
  );
}

/** SQL as a line of an upgrade. */
export function execute(sql: string): string {
  return `op.execute(${JSON.stringify(sql)})`;
}

/** A chain of revisions, each making one table named after it. */
export function chainOf(...ids: readonly string[]): readonly Written[] {
  return ids.map((id, index) => ({
    id,
    ...(index > 0 && { after: ids[index - 1] ?? "" }),
    upgrade: execute(`CREATE TABLE t_${index} (id int PRIMARY KEY)`),
  }));
}
