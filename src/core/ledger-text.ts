import { type Fact, factKey, type FactKind, factKinds, placeKey, withoutStorage } from "./facts.ts";
import type { Heads } from "./history.ts";
import { escapeFact, escapeText, type LedgerHome } from "./home.ts";
import { factsAt, headsKey, type Ledger, type LedgerRevision, type State } from "./ledger.ts";
import type { RowsToChange, Trace, Traces } from "./traces.ts";

/** Raised when a change to the format would make an older program misread it. */
const formatVersion = 2;

/** It knew no home: what it says counts where that is `public`. Raised to the present version by the next bake. */
const firstRelease = 1;

export type LedgerText =
  | { readonly kind: "ledger"; readonly ledger: Ledger }
  | { readonly kind: "truncated"; readonly why: string }
  | { readonly kind: "other-format"; readonly why: string };

/**
 * The ledger as it is committed: one fact a line and no running numbers, so that a new revision adds
 * lines and moves none. The same ledger gives the same bytes.
 */
export function encodeLedger(ledger: Ledger): string {
  const given = ledger.given.length === 0 ? "" : `"given":${json(ledger.given)},`;
  const without = ledger.without.size === 0 ? "" : `"without":${json(encodeWithout(ledger))},`;
  const salt = ledger.salt === "" ? "" : `"salt":${json(ledger.salt)},`;
  const lines = [
    "{",
    `"preflight":"ledger","v":${formatVersion},"tool":${json(ledger.tool)},"server":${ledger.server},${given}${without}${salt}`,
    `"home":${json(encodeHome(ledger.home))},"versionTable":${json(ledger.versionTable)},`,
    `"kinds":${json(ledger.kinds)},`,
    `"revisions":[`,
    ...separated([...ledger.revisions.values()].map(encodeRevision)),
    `],"states":[`,
    ...separated(ledger.states.map((_, index) => encodeState(ledger, index))),
    `],"spellings":[`,
    ...separated(
      ledger.spellings.map(({ fact, definition }) =>
        json([...fields(ledger.facts[fact]!), definition]),
      ),
    ),
    "]}",
  ];
  return `${lines.join("\n")}\n`;
}

function encodeWithout({ without }: Ledger): unknown {
  const entries = [...without].map(([name, { created, dropped }]) => {
    return [name, { created, ...(dropped.length > 0 ? { dropped } : {}) }];
  });
  return Object.fromEntries(entries);
}

function encodeHome(home: LedgerHome): unknown {
  return home.kind === "program" ? { schema: home.schema, fixed: home.isFixed } : home.kind;
}

function encodeRevision(revision: LedgerRevision): string {
  const { id, file, parents, dependsOn, labels, hash, data, isAtomic, retired } = revision;
  return json({
    id,
    file,
    parents,
    ...(dependsOn.length > 0 ? { dependsOn } : {}),
    ...(labels.length > 0 ? { labels } : {}),
    hash,
    data,
    ...(isAtomic ? {} : { atomic: isAtomic }),
    ...(retired ? { retired } : {}),
  });
}

function encodeState(ledger: Ledger, index: number): string {
  const { heads, from, added, dropped, traces, retired } = ledger.states[index]!;
  const head = json({
    heads,
    from: from === null ? null : ledger.states[from]!.heads,
    ...(retired ? { retired } : {}),
    ...(traces.size > 0 ? { traces: encodeTraces(traces) } : {}),
  });
  const adds = factsAt(ledger, added).map((fact) => json(fields(fact)));
  // One place holds one fact, so the place is enough to say what goes.
  const drops = factsAt(ledger, dropped).map((fact) => json(fields(fact).slice(0, 3)));
  return `${head.slice(0, -1)},"adds":[${["", ...separated(adds)].join("\n")}],"drops":[${["", ...separated(drops)].join("\n")}]}`;
}

function encodeTraces(traces: Traces): unknown {
  return Object.fromEntries([...traces].map(([id, each]) => [id, each.map(encodeTrace)]));
}

function encodeTrace(trace: Trace): unknown {
  switch (trace.kind) {
    case "rows":
      return { table: trace.table, key: trace.columns, rows: trace.hashes };
    case "idle":
      return {
        idle: trace.unless.map(({ table, where }) => (where === null ? table : { table, where })),
        ...(trace.besides ? { besides: true } : {}),
      };
  }
}

/** @param text the ledger file's contents */
export function decodeLedger(text: string): LedgerText {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return { kind: "truncated", why: "it is not complete JSON" };
  }
  if (!isObject(root) || root["preflight"] !== "ledger")
    return { kind: "other-format", why: `it does not begin with "preflight":"ledger"` };
  if (root["v"] !== formatVersion && root["v"] !== firstRelease)
    return {
      kind: "other-format",
      why: `its format is version ${show(root["v"])}, this program reads versions ${firstRelease} and ${formatVersion}`,
    };
  try {
    return { kind: "ledger", ledger: decode(root) };
  } catch (error) {
    if (error instanceof Malformed) return { kind: "truncated", why: error.message };
    throw error;
  }
}

class Malformed extends Error {}

function decode(root: Record<string, unknown>): Ledger {
  const isFirst = root["v"] === firstRelease;
  const facts: Fact[] = [];
  const positions = new Map<string, number>();
  const states: State[] = [];
  /** By state: what it puts at each place. */
  const placed: ReadonlyMap<string, number>[] = [];
  const indexes = new Map<string, number>();

  for (const entry of list(root["states"], "states")) {
    const from = entry["from"] === null ? null : indexOf(strings(entry["from"], "from"));
    const heads = strings(entry["heads"], "heads");
    const dropped = list(entry["drops"], "drops").map((row) =>
      placedAt(placeKey(decodeFact(row, 3)), from),
    );
    const added = list(entry["adds"], "adds").map((row) => intern(decodeFact(row, 4)));
    placed.push(new Map(added.map((fact) => [placeKey(facts[fact]!), fact])));
    indexes.set(headsKey(heads), states.length);
    const traces = decodeTraces(entry["traces"] ?? {});
    states.push({ heads, from, added, dropped, traces, retired: entry["retired"] === true });
  }
  // They may bring facts of their own.
  const spellings = list(root["spellings"], "spellings").map((row) => {
    const fact = intern(decodeFact(row, 5));
    const definition = text(row[4], "definition");
    return { fact, definition: isFirst ? escapeText(definition) : definition };
  });
  return {
    tool: text(root["tool"], "tool"),
    server: serverOf(root["server"]),
    home: isFirst ? { kind: "unknown" } : homeOf(root["home"]),
    versionTable: isFirst ? null : versionTableOf(root["versionTable"]),
    kinds: isFirst ? kindsOfFirstRelease : (strings(root["kinds"], "kinds") as FactKind[]),
    given: strings(root["given"] ?? [], "given"),
    without: decodeWithout(root["without"] ?? {}),
    salt: text(root["salt"] ?? "", "salt"),
    facts: isFirst ? facts.map(escapeFact) : facts,
    states,
    revisions: new Map(list(root["revisions"], "revisions").map(decodeRevision)),
    spellings,
  };

  function intern(written: Fact): number {
    // An earlier version wrote the columns of statistics as their table has them.
    const isEarlier = isFirst || written.kind === "statistics";
    const fact = isEarlier ? withoutStorage(written) : written;
    const key = factKey(fact);
    const known = positions.get(key);
    if (known !== undefined) return known;
    const position = facts.push(fact) - 1;
    positions.set(key, position);
    return position;
  }

  /** The fact that stands at a place in a state: the last one put there on the way to it. */
  function placedAt(place: string, index: number | null): number {
    for (let at = index; at !== null; at = states[at]!.from) {
      const found = placed[at]!.get(place);
      if (found !== undefined) return found;
    }
    throw new Malformed(`a state drops ${show(place.replaceAll("\0", " "))}, which is not there`);
  }

  function indexOf(heads: Heads): number {
    const index = indexes.get(headsKey(heads));
    if (index === undefined)
      throw new Malformed(`a state builds on ${show(heads.join(", "))}, which is missing`);
    return index;
  }
}

/** All but those from operators to owners. */
const kindsOfFirstRelease: readonly FactKind[] = factKinds.filter(
  (_, at) => at < factKinds.indexOf("operator") || at > factKinds.indexOf("owner"),
);

function decodeWithout(value: unknown): Ledger["without"] {
  if (!isObject(value)) throw new Malformed("without is not an object");
  return new Map(
    Object.entries(value).map(([name, passed]) => {
      if (!isObject(passed)) throw new Malformed(`without ${name} is not an object`);
      const { created, dropped = [] } = passed;
      return [name, { created: strings(created, name), dropped: strings(dropped, name) }];
    }),
  );
}

/** @param length 3: its place alone; 5: with another spelling of its definition */
function decodeFact(value: unknown, length: 3 | 4 | 5): Fact {
  const row = strings(value, "a fact");
  if (row.length !== length) throw new Malformed(`a fact has ${row.length} parts, not ${length}`);
  const [kind, object, name, definition = ""] = row;
  return { kind, object, name, definition } as Fact;
}

function homeOf(value: unknown): LedgerHome {
  if (value === "relative" || value === "bound" || value === "unknown") return { kind: value };
  if (isObject(value))
    return {
      kind: "program",
      schema: text(value["schema"], "home"),
      isFixed: value["fixed"] === true,
    };
  throw new Malformed(`it names the home ${show(value)}`);
}

function versionTableOf(value: unknown): Ledger["versionTable"] {
  if (value === null) return null;
  if (!isObject(value)) throw new Malformed(`it names the version table ${show(value)}`);
  const { schema } = value;
  return {
    schema: schema === null ? null : text(schema, "versionTable"),
    name: text(value["name"], "versionTable"),
  };
}

function serverOf(value: unknown): number {
  if (Number.isSafeInteger(value) && Number(value) > 0) return Number(value);
  throw new Malformed(`it names PostgreSQL ${show(value)}`);
}

function decodeRevision(entry: Record<string, unknown>): [string, LedgerRevision] {
  const id = text(entry["id"], "id");
  const data = text(entry["data"], "data");
  if (data !== "none" && data !== "reads" && data !== "writes" && data !== "unknown")
    throw new Malformed(`revision ${show(id)} has data ${show(data)}`);
  return [
    id,
    {
      id,
      file: text(entry["file"], "file"),
      parents: strings(entry["parents"], "parents"),
      dependsOn: strings(entry["dependsOn"] ?? [], "dependsOn"),
      labels: strings(entry["labels"] ?? [], "labels"),
      hash: text(entry["hash"], "hash"),
      data,
      isAtomic: entry["atomic"] !== false,
      retired: entry["retired"] === true,
    },
  ];
}

function decodeTraces(value: unknown): Traces {
  if (!isObject(value)) throw new Malformed("traces is not an object");
  return new Map(
    Object.entries(value).map(([id, each]) => [id, list(each, "traces").map(decodeTrace)]),
  );
}

function decodeTrace(entry: Record<string, unknown>): Trace {
  if ("idle" in entry) {
    const unless = decodeRowsToChange(entry["idle"]);
    return { kind: "idle", unless, besides: entry["besides"] === true };
  }
  return {
    kind: "rows",
    table: text(entry["table"], "table"),
    columns: strings(entry["key"], "key"),
    hashes: strings(entry["rows"], "rows"),
  };
}

function decodeRowsToChange(value: unknown): readonly RowsToChange[] {
  if (!Array.isArray(value)) throw new Malformed("idle is not a list");
  return value.map((entry: unknown) =>
    isObject(entry)
      ? { table: text(entry["table"], "table"), where: text(entry["where"], "where") }
      : { table: text(entry, "idle"), where: null },
  );
}

function list(value: unknown, name: string): readonly Record<string, unknown>[] {
  if (!Array.isArray(value) || !value.every(isObject)) throw new Malformed(`${name} is not a list`);
  return value;
}

function strings(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
    throw new Malformed(`${name} is not a list of texts`);
  return value;
}

function text(value: unknown, name: string): string {
  if (typeof value !== "string") throw new Malformed(`${name} is not a text`);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function fields(fact: Fact): readonly string[] {
  return [fact.kind, fact.object, fact.name, fact.definition];
}

function separated(items: readonly string[]): readonly string[] {
  return items.map((item, index) => (index < items.length - 1 ? `${item},` : item));
}

function json(value: unknown): string {
  return JSON.stringify(value);
}

/** As much of a value as a message needs: it may be of any size, and nested beyond what can be written. */
function show(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "[…]" : "{…}";
  const text = json(value) ?? "";
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
