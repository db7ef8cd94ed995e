import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
export async function pythonEnvironment(): Promise<{ alembic: string }> {
  const d = "/tmp/bakedev/venv";
  if (!existsSync(d)) execFileSync("python3", ["-m", "venv", d]);
  return { alembic: `${d}/bin/alembic` };
}
