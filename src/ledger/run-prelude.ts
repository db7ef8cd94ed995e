import { Writable } from "node:stream";
import postgres from "postgres";
import { CannotJudge } from "../core/outcome.ts";
import type { DatabaseAddress } from "./child-environment.ts";
import { connect } from "./scratch-server.ts";

/** SQL that makes what a database has before its first migration: a platform's schemas and roles. */
export type Prelude = {
  /** As a person knows it: its file. */
  readonly name: string;
  readonly sql: string;
};

/**
 * Runs the scripts in order, each on a connection of its own: what one sets is no other's business.
 * @throws CannotJudge `config`
 */
export async function runPreludes(
  address: DatabaseAddress,
  preludes: readonly Prelude[],
): Promise<void> {
  for (const prelude of preludes) {
    const connection = connect(address);
    try {
      const end: unknown = await connection.unsafe(prelude.sql).simple();
      if (end instanceof Writable) {
        end.once("error", () => {}).destroy();
        throw failure(prelude, "it holds COPY … FROM stdin, whose rows only psql would send");
      }
      // What the script scanned must be counted before the first migration is watched.
      await connection`SELECT pg_catalog.pg_stat_force_next_flush()`;
    } catch (error) {
      throw error instanceof postgres.PostgresError ? refused(prelude, error) : error;
    } finally {
      await connection.end({ timeout: 1 });
    }
  }
}

/** The server tells the place of some errors only, in characters of the whole script. */
function refused(
  prelude: Prelude,
  { message, code, position }: postgres.PostgresError,
): CannotJudge {
  const before = Array.from(prelude.sql).slice(0, Number(position) - 1);
  const line = position === undefined ? "" : `, line ${before.join("").split("\n").length}`;
  return failure(prelude, `${message} (${code})${line}`);
}

function failure({ name }: Prelude, why: string): CannotJudge {
  return new CannotJudge("config", `the scratch prelude ${name} failed: ${why}`, [
    "correct the script; it must run on an empty database, as a superuser",
    "or name a scratch server that has what the script needs: --scratch-url",
  ]);
}
