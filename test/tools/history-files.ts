import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";

/** A revision as the test means it, before it is spelled in Python. */
type Meant = {
  readonly id: string;
  readonly parents: readonly string[];
  readonly dependsOn: readonly string[];
  readonly labels: readonly string[];
};

export type WrittenFile = { readonly name: string; readonly bytes: Uint8Array };

export type MeantHistory = {
  readonly revisions: readonly Meant[];
  readonly files: readonly WrittenFile[];
  /** A file that Python itself refuses, or one whose value only running it can tell. */
  readonly unreadable: "refused" | "computed" | null;
};

/** Writes a script directory that Alembic accepts. */
export async function writeScripts(files: readonly WrittenFile[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "history-"));
  await mkdir(join(directory, "versions"));
  await writeFile(join(directory, "env.py"), "");
  for (const { name, bytes } of files) await writeFile(join(directory, "versions", name), bytes);
  return directory;
}

/** Random histories: mostly sound ones with branches, merges, labels and dependencies; some broken. */
export function histories(): fc.Arbitrary<MeantHistory> {
  return graphs().chain(({ revisions, defect }) =>
    fc
      .tuple(...revisions.map((revision) => spelledFile(revision)))
      .chain((sources) => fc.tuple(fc.constant(sources), filesOf(sources, defect)))
      .map(([, { files, unreadable }]) => ({ revisions, files, unreadable })),
  );
}

// The graph

type Defect = "none" | "refused" | "computed";

function graphs(): fc.Arbitrary<{ revisions: readonly Meant[]; defect: Defect }> {
  return fc.uniqueArray(ids(), { minLength: 1, maxLength: 9 }).chain((names) =>
    fc
      .tuple(
        fc.tuple(...names.map((_, index) => links(names.slice(0, index)))),
        fc.array(breakage(names), { maxLength: 2 }),
        fc.option(fc.nat(), { freq: 2 }),
        fc.constantFrom<Defect>("none", "none", "none", "none", "refused", "computed"),
      )
      .map(([linked, breakages, broken, defect]) => {
        const revisions: Meant[] = linked.map((links, index) => ({
          id: names[index] ?? "",
          ...links,
        }));
        if (broken === null || broken % 3 !== 0) return { revisions, defect };
        return {
          revisions: breakages.reduce<readonly Meant[]>((all, apply) => apply(all), revisions),
          defect,
        };
      }),
  );
}

function ids(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.stringMatching(/^[0-9a-f]{12}$/),
    fc.stringMatching(/^[0-9a-f]{4}$/),
    fc.stringMatching(/^00[0-9]{2}_[a-z]{1,40}$/),
    fc.constantFrom(
      "kilo",
      "v3.0.0.a",
      "with space",
      "it's",
      'say "x"',
      "é",
      "back\\slash",
      "head",
      "1",
      "I38991de2b4",
    ),
  );
}

type Links = Omit<Meant, "id">;

function links(older: readonly string[]): fc.Arbitrary<Links> {
  const some = (maxLength: number) =>
    fc.subarray([...older], { maxLength: Math.min(maxLength, older.length) });
  const near = older.slice(-3);
  return fc.record({
    parents: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.subarray(near, {
          maxLength: Math.min(1, near.length),
          minLength: Math.min(1, near.length),
        }),
      },
      { weight: 3, arbitrary: some(3) },
    ),
    dependsOn: fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: some(2) },
    ),
    labels: fc.oneof(
      { weight: 6, arbitrary: fc.constant([]) },
      {
        weight: 1,
        arbitrary: fc.uniqueArray(fc.stringMatching(/^label_[a-z]{6}$/), { maxLength: 2 }),
      },
    ),
  });
}

type Break = (revisions: readonly Meant[]) => readonly Meant[];

function breakage(names: readonly string[]): fc.Arbitrary<Break> {
  const which = fc.nat({ max: names.length - 1 });
  const edit =
    (at: number, change: (revision: Meant) => Meant): Break =>
    (revisions) =>
      revisions.map((revision, index) => (index === at ? change(revision) : revision));
  return fc.oneof(
    // An earlier revision that follows a later one: mostly a cycle.
    fc.tuple(which, which).map(([a, b]) =>
      edit(Math.min(a, b), (revision) => ({
        ...revision,
        parents: [names[Math.max(a, b)] ?? ""],
      })),
    ),
    fc.tuple(which, which).map(([a, b]) =>
      edit(Math.min(a, b), (revision) => ({
        ...revision,
        parents: [...new Set([...revision.parents, names[Math.max(a, b)] ?? ""])],
      })),
    ),
    fc.tuple(which, which).map(([a, b]) =>
      edit(Math.min(a, b), (revision) => ({
        ...revision,
        dependsOn: [names[Math.max(a, b)] ?? ""],
      })),
    ),
    fc
      .tuple(which, fc.constantFrom("absent", "", "a, b"))
      .map(([at, parent]) =>
        edit(at, (revision) => ({ ...revision, parents: [...revision.parents, parent] })),
      ),
    which.map((at) => edit(at, (revision) => ({ ...revision, dependsOn: ["absent"] }))),
    fc
      .tuple(which, which)
      .map(([at, other]) => edit(at, (revision) => ({ ...revision, id: names[other] ?? "" }))),
    fc
      .tuple(which, fc.constantFrom("a-b", "a+b", "a@b", "a:b"))
      .map(([at, id]) => edit(at, (revision) => ({ ...revision, id }))),
    fc
      .tuple(which, which)
      .map(([at, other]) =>
        edit(at, (revision) => ({ ...revision, labels: [names[other] ?? ""] })),
      ),
    fc.constant<Break>((revisions) =>
      revisions.map((revision) => ({ ...revision, labels: ["same"] })),
    ),
    // A dependency on a label, which is sound.
    fc.tuple(which, which).map(
      ([a, b]): Break =>
        (revisions) =>
          revisions.map((revision, index) => {
            if (index === Math.min(a, b)) return { ...revision, labels: ["a_label"] };
            return index === Math.max(a, b) ? { ...revision, dependsOn: ["a_label"] } : revision;
          }),
    ),
  );
}

// The spelling

/** All the ways in which real files say the same thing. */
function spelledFile(meant: Meant): fc.Arbitrary<string> {
  return fc
    .record({
      id: spelledText(meant.id),
      down: spelledList(meant.parents),
      // Alembic takes `(None,)` for a label called None here.
      labels: spelledList(meant.labels).filter((text) => text !== "(None,)"),
      depends: spelledList(meant.dependsOn),
      shape: fc.constantFrom(
        "plain",
        "annotated",
        "unpacked",
        "semicolons",
        "continued",
        "bracketed",
      ),
      sparse: fc.boolean(),
      docstring: fc.constantFrom(
        "",
        '"""A title\n\nRevision ID: lies\nRevises: lies\n"""\n',
        "'''Only a title'''\n",
      ),
      noise: fc.subarray(noises),
      after: fc.subarray(noises),
    })
    .map(({ id, down, labels, depends, shape, sparse, docstring, noise, after }) => {
      const skip = (names: readonly string[]) => sparse && names.length === 0;
      const rest = [
        ...(skip(meant.labels) ? [] : [["branch_labels", labels] as const]),
        ...(skip(meant.dependsOn) ? [] : [["depends_on", depends] as const]),
      ];
      const pairs = [["revision", id] as const, ["down_revision", down] as const, ...rest];
      const head = `${docstring}from typing import Sequence, Union\n`;
      return [head, ...noise, assignments(shape, pairs), ...after].join("\n");
    });
}

function assignments(shape: string, pairs: readonly (readonly [string, string])[]): string {
  switch (shape) {
    case "annotated":
      return pairs
        .map(([name, value]) => `${name}: Union[str, Sequence[str], "None"] = ${value}  # why\n`)
        .join("");
    case "unpacked":
      return `${pairs.map(([name]) => name).join(", ")} = (\n${pairs.map(([, value]) => `  (${value}),\n`).join("")})\n`;
    case "semicolons":
      return `${pairs.map(([name, value]) => `${name} = (${value})`).join("; ")}\n`;
    case "continued":
      return pairs.map(([name, value]) => `${name} = \\\n    ${value}\n`).join("");
    case "bracketed":
      return pairs.map(([name, value]) => `(${name}) = other_name = ${value}\n`).join("");
    default:
      return pairs.map(([name, value]) => `${name} = ${value}\n`).join("");
  }
}

/** Lines that change nothing and mislead a careless reader. */
const noises = [
  "# revision = 'no'\n",
  "\f\n",
  "def helper(revision='no', down_revision='no'):\n    revision = 'no'\n    return {'revision': revision}\n",
  "class Holder:\n    revision = 'no'\n    down_revision = 'no'\n",
  "helper2 = lambda revision='no': revision\n",
  "print(dict(revision='no', down_revision='no'), end='')\n",
  "text = '''\nrevision = \"no\"\ndown_revision = \"no\"\n<<<<<<< HEAD\n'''\n",
  "neutron_milestone = ['kilo', f\"{1 + 1}{'}'}\"]\n",
  "if True:\n\tx = 1.\n\n\n",
  "depends_on: str\n",
  "for item in (1,): pass\n",
  "pattern = r'\\\\'; raw = rb\"\\x00\"\n",
];

function spelledText(value: string): fc.Arbitrary<string> {
  const escaped = (quote: string) => value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`);
  const middle = Math.floor(value.length / 2);
  const spellings = [
    `"${escaped('"')}"`,
    `'${escaped("'")}'`,
    `u'${escaped("'")}'`,
    `("${escaped('"')}")`,
    `'''${escaped("'")}'''`,
    `f"${escaped('"').replaceAll("{", "{{")}"`,
    `"${value
      .split("")
      .map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("")}"`,
  ];
  if (!/[\\'"]/.test(value)) {
    spellings.push(`r"${value}"`);
    spellings.push(`("${value.slice(0, middle)}" '${value.slice(middle)}')`);
    spellings.push(`"${value.slice(0, middle)}\\\n${value.slice(middle)}"`);
  }
  return fc.constantFrom(...spellings);
}

function spelledList(values: readonly string[]): fc.Arbitrary<string> {
  if (values.length === 0) return fc.constantFrom("None", "()", "[]", "(None,)", "(None)");
  return fc.tuple(...values.map(spelledText)).chain((items) => {
    const list = items.join(", ");
    const several = [
      `(${list},)`,
      `[${list}]`,
      `{${list}}`,
      `(\n    ${items.join(",  # one\n    ")},\n)`,
      `[\n${items.join("\n, ")}]`,
    ];
    return fc.constantFrom(
      ...several,
      ...(items.length === 1 ? [list, list, list] : [`(${list})`]),
    );
  });
}

// Files

function filesOf(
  sources: readonly string[],
  defect: Defect,
): fc.Arbitrary<Pick<MeantHistory, "files" | "unreadable">> {
  const encode = fc.constantFrom(plain, crlf, withMark, latin1);
  return fc
    .tuple(
      fc.tuple(...sources.map(() => encode)),
      fc.nat({ max: sources.length - 1 }),
      fc.constantFrom(...refusals),
      fc.constantFrom(...computations),
    )
    .map(([encodings, at, refusal, computation]) => {
      const damaged = sources.map((source, index) => {
        if (index !== at || defect === "none") return source;
        return defect === "refused" ? refusal(source) : computation(source);
      });
      const files = damaged.map((source, index) => ({
        name: `${String(index).padStart(2, "0")} file.py`,
        bytes: (encodings[index] ?? plain)(source),
      }));
      return { files, unreadable: defect === "none" ? null : defect };
    });
}

type Damage = (source: string) => string;

/** What Python refuses to run, or Alembic to load. */
export const refusals: readonly Damage[] = [
  (source) => `${source}\nx = (1,\n`,
  (source) => `${source}\n<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other\n`,
  (source) => `${source}\ndef f(:\n    pass\n`,
  (source) => `${source}\n  unexpected = 1\n`,
  (source) => `${source}\nif True:\nx = 1\n`,
  (source) => `${source}\nx = 'open\n`,
  (source) => `${source}\nx = = 1\n`,
  (source) => `${source}\nprint "python 2"\n`,
  (source) => `${source}\nx = 1\0\n`,
  (source) => `'''python\n${source.replaceAll("'''", '"')}\n'''\n`,
  () => "down_revision = None\n",
  () => "revision = 'x'\n",
  () => "revision = 'x'\ndown_revision: str\n",
  () => "revision = 'x'\ndown_revision = ('a', None)\n",
  () => "revision = 'x'\ndown_revision = 3\n",
  () => "revision = None\ndown_revision = None\n",
];

/** What only running tells. Alembic reads these; Preflight says that it cannot. */
export const computations: readonly Damage[] = [
  (source) => `${source}\nrevision = "a" + "b"\n`,
  (source) => `${source}\nif True:\n    down_revision = None\n`,
  (source) => `${source}\ntry:\n    import nothing_here\nexcept ImportError: depends_on = None\n`,
  (source) => `${source}\ndown_revision = None if revision else "x"\n`,
  (source) => `${source}\nrevision += "x"\n`,
  (source) => `${source}\nprint((revision := "y"), end='')\n`,
  (source) => `${source}\nbranch_labels = tuple("")\n`,
  (source) => `${source}\nfor revision in ["p", "q"]: pass\n`,
  (source) => `${source}\nexec("revision = 'z'")\n`,
  (source) => `${source}\nrevision = f"{1}"\n`,
  (source) => `${source}\n*depends_on, x = [1]\n`,
  (source) => `${source}\ndef set():\n    global down_revision\n    down_revision = None\nset()\n`,
  (source) => `${source}\nwith open(__file__) as f: revision = "w"\n`,
];

function plain(source: string): Uint8Array {
  return Buffer.from(source);
}

function crlf(source: string): Uint8Array {
  return Buffer.from(source.replaceAll("\n", "\r\n"));
}

function withMark(source: string): Uint8Array {
  return Buffer.from(`\ufeff${source}`);
}

function latin1(source: string): Uint8Array {
  return Buffer.from(`# -*- coding: latin-1 -*-\n${source}`, "latin1");
}
