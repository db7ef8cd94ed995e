import type { FuncCall, Node } from "libpg-query";
import { wordsIn } from "../pgsql/names.ts";
import { objectsIn } from "../pgsql/walk.ts";

/**
 * A function in the expression that gives another value at each call, so that every row of a table needs a value of its
 * own; null where there is none. `now()` and the like stay the same for a whole transaction.
 * @param own the functions that the history makes, and whether they are volatile
 */
export function findVolatile(
  expression: Node | undefined,
  own: ReadonlyMap<string, boolean>,
): string | null {
  for (const node of objectsIn(expression)) {
    if (!("FuncCall" in node)) continue;
    const { funcname = [] } = node.FuncCall as FuncCall;
    const name = funcname.flatMap(wordsIn).at(-1) ?? "";
    if (own.get(name) ?? known.test(name)) return name;
  }
  return null;
}

/** Volatile in `pg_proc` and of use as a default; then those of extensions, whose names tell. */
const known =
  /^(?:clock_timestamp|currval|gen_salt|lastval|nextval|setval|timeofday|uuid_generate_v(?:1|1mc|4|6|7))$|random|uuidv\d|ulid|nanoid|ksuid|snowflake/;
