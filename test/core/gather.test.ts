import { expect, test } from "vitest";
import type { Difference, SchemaDifference } from "../../src/core/difference.ts";
import type { Fact } from "../../src/core/facts.ts";
import { gather } from "../../src/core/gather.ts";
import { describeDifference } from "../../src/core/words.ts";
import { fact, historyOf, table } from "./model.ts";

const history = historyOf([]);
const log = "public.audit_log";

function extra(seen: Fact, rest: Partial<SchemaDifference> = {}): SchemaDifference {
  const harmless = { revision: null, why: "", warns: false, tolerable: true };
  return { kind: "extra", fact: seen, ...harmless, ...rest } as SchemaDifference;
}

function say(differences: readonly Difference[]): readonly string[] {
  return gather(differences).map((each) => describeDifference(each, history));
}

const parts = [
  ...table("audit_log", "id", "at", "who"),
  fact("constraint", log, "audit_log_pkey", "PRIMARY KEY (id)"),
  fact("index", log, "by_time", "…"),
  fact("sequence", "public.audit_log_id_seq", "", "bigint START 1 OWNED BY public.audit_log.id"),
];

test("a table that is too much is one thing, with all that belongs to it", () => {
  expect(say(parts.map((each) => extra(each)))).toEqual([
    "table audit_log, with 3 columns, is there, and no applied revision makes it",
  ]);
});

test("what else it does is said: a foreign key onto a table of the history", () => {
  const key = fact("constraint", log, "audit_log_who_fkey", "FOREIGN KEY (who) …");
  const warned = extra(key, { why: "it can stop a DELETE", warns: true });
  expect(say([...parts.map((each) => extra(each)), warned])).toHaveLength(2);
});

test("parts of a table that is the history's own are said one by one", () => {
  const columns = table("orders", "a", "b").slice(1);
  expect(say(columns.map((each) => extra(each)))).toHaveLength(2);
  const sequence = fact("sequence", "public.free", "", "bigint START 1");
  expect(say([extra(sequence)])).toHaveLength(1);
});

test("so it is with a table that is missing, or where a pending one will be; another revision's part is another thing", () => {
  const missing = table("orders", "id").map((each) =>
    extra(each, { kind: "missing", revision: "one", tolerable: false }),
  );
  const later = extra(fact("column", "public.orders", "note", "text"), {
    kind: "missing",
    revision: "two",
    tolerable: false,
  });
  expect(say([...missing, later])).toEqual([
    "table orders, with 1 column, is missing: revision one adds it",
    "column orders.note is missing: revision two adds it",
  ]);
  const inTheWay = table("orders", "id", "at").map((each) =>
    extra(each, { kind: "in-the-way", revision: "one", fails: true, tolerable: false }),
  );
  expect(say([...inTheWay, extra(fact("column", "public.orders", "besides", "text"))])).toEqual([
    "table orders, with 3 columns, is there already: revision one, which is pending, makes one of that name and would fail",
  ]);
});
