import { posix } from "node:path";
import { titleOfName, toTitle } from "../title.ts";

/**
 * The first line of a revision file's docstring, else what its name says besides the id. Read without parsing: a healthy start
 * parses no file.
 */
export function titleOf(file: string, id: string, text: string): string {
  const [, quotes = "", rest = ""] = docstring.exec(text) ?? [];
  const [inside = ""] = quotes === "" ? [] : rest.split(quotes, 1);
  const first = inside.split(/\r\n?|\n/).find((line) => line.trim() !== "") ?? "";
  return empty.test(first) ? titleOfName(slugOf(file, id)) : toTitle(first);
}

/** Nothing but comments stands before it. */
const docstring =
  /^\uFEFF?(?:[ \t\f]*(?:#[^\r\n]*)?(?:\r\n?|\n))*[rRuU]?("""|'''|"|')([^]{0,2000})/;

/** What Alembic itself writes where nobody gave a message. */
const empty = /^\s*(?:empty message|Revision ID:.*)?\s*$/i;

/** `a1b2_add_orders.py`, `2024_01_31_1200-a1b2_add_orders.py`, `add_orders_a1b2.py`: the file's name is a template of the project's. */
function slugOf(file: string, id: string): string {
  const name = posix.basename(file, ".py");
  const at = name.indexOf(id);
  if (at === -1) return withoutTime(name);
  const after = name.slice(at + id.length);
  return withoutTime(/[\p{L}\p{N}]/u.test(after) ? after : name.slice(0, at));
}

function withoutTime(name: string): string {
  return name.replace(/^[\d_-]+/, "");
}
