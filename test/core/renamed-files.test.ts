import fc from "fast-check";
import { expect, it } from "vitest";
import { claimOf } from "../../src/core/claim.ts";
import { editedRevisions } from "../../src/core/data-migrations.ts";
import type { History } from "../../src/core/history.ts";
import { combine } from "../../src/core/knowledge.ts";
import { byNumber } from "../../src/core/migration-tool.ts";
import { pastInDoubt, rowsInDoubt, tableAsSpelled } from "../../src/core/spelling.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import { historyOf, observe, revision } from "./model.ts";

/** Images in turn: files of few numbers are added, renamed, exchanged, edited, given other zeros and deleted. All of them change rows. */

type File = {
  readonly who: number;
  readonly number: string;
  readonly name: string;
  readonly text: string;
};
type Row = { readonly version: string; readonly name: string; readonly text: string };

const anyChange = fc.record({
  what: fc.constantFrom(
    "add",
    "add",
    "zeros",
    "rename",
    "exchange",
    "edit",
    "delete",
    "run",
    "run",
  ),
  which: fc.nat(3),
  other: fc.nat(3),
  name: fc.constantFrom("a", "b", "c"),
  number: fc.constantFrom("1", "1", "02"),
});
type Change = typeof anyChange extends fc.Arbitrary<infer One> ? One : never;

it("each file runs once, unless a person is asked", () => {
  fc.assert(
    fc.property(fc.array(anyChange, { minLength: 5, maxLength: 14 }), (changes) => {
      let files: readonly File[] = [];
      let rows: readonly Row[] = [];
      const ran: number[] = [];
      for (const [at, each] of changes.entries()) {
        files = change(files, each, at);
        if (each.what !== "run") continue;
        const pending = pendingOf(files, rows);
        if (pending === "refused") return;
        rows = [...rows, ...pending.map(({ id, file }) => ({ ...file, version: id }))];
        ran.push(...pending.map(({ file }) => file.who));
        expect(ran, JSON.stringify(rows)).toEqual([...new Set(ran)]);
        expect(ran, JSON.stringify(rows)).toEqual(
          expect.arrayContaining(files.map(({ who }) => who)),
        );
      }
    }),
    { numRuns: 5_000 },
  );
});

function change(files: readonly File[], { what, ...each }: Change, at: number): readonly File[] {
  const { number, name } = each;
  const isFree = (of: string): boolean =>
    !files.some((file) => Number(file.number) === Number(of) && file.name === name);
  if (what === "add" && isFree(number))
    return [...files, { who: at, number, name, text: `text ${at}` }];
  const file = files[each.which % files.length];
  const other = files[each.other % files.length];
  if (file === undefined || other === undefined) return files;
  const become = (one: File, its: Partial<File>): readonly File[] =>
    files.map((each) => (each === one ? { ...each, ...its } : each));
  switch (what) {
    case "zeros":
      return become(file, {
        number: file.number.startsWith("0") ? String(Number(file.number)) : `0${file.number}`,
      });
    case "rename":
      return isFree(file.number) ? become(file, { name }) : files;
    case "exchange":
      if (Number(file.number) !== Number(other.number)) return files;
      return files.map((each) => {
        if (each === file) return { ...each, name: other.name };
        return each === other ? { ...each, name: file.name } : each;
      });
    case "edit":
      return become(file, { text: `text ${at}` });
    case "delete":
      return files.filter((each) => each !== file);
    default:
      return files;
  }
}

function pendingOf(
  files: readonly File[],
  rows: readonly Row[],
): readonly { readonly id: string; readonly file: File }[] | "refused" {
  const named = files
    .map((file) => {
      const sharing = files.filter(({ number }) => Number(number) === Number(file.number));
      return { id: sharing.length > 1 ? `${file.number}_${file.name}` : file.number, file };
    })
    .toSorted((one, other) => byNumber(one.id, other.id));
  const history = historyAt(named);
  const table = tableAsSpelled(
    { history, ledger: null },
    {
      ...observe({ rows: [], facts: new Map() }).versionTable!,
      rows: rows.map(({ version }) => version),
      stored: rows.map(({ version }) => version),
      fileNames: new Map(rows.map(({ version, name }) => [version, name])),
      digests: new Map(rows.map(({ version, text }) => [version, text])),
    },
  );
  const meant = (table.rows ?? []).flatMap((row) => row ?? []);
  const claim = claimOf(history, meant);
  const digests = new Map(named.map(({ id, file }) => [id, file.text]));
  const knowledge = combine(history, null, { digests, programsPath: [] });
  const isAsked =
    rowsInDoubt(history, meant).length > 0 ||
    pastInDoubt(history, claim).length > 0 ||
    claim.unknownRows.length > 0 ||
    editedRevisions(knowledge, claim, table).length > 0;
  return isAsked ? "refused" : named.filter(({ id }) => !claim.applied.has(id));
}

function historyAt(named: readonly { readonly id: string; readonly file: File }[]): History {
  const ids = named.map(({ id }) => id);
  const made = historyOf(
    ids.map((id, index) => revision(id, ids.slice(Math.max(0, index - 1), index))),
  );
  const revisions = named.map(({ id, file: { number, name, text } }) => {
    const file = `migrations/${number}_${name}.sql`;
    return [id, { ...made.revisions.get(id)!, file, hash: text }] as const;
  });
  return { ...made, tool: sql, revisions: new Map(revisions) };
}
