import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { outcomes, systemCode } from "../core/outcome.ts";
import { verdictKinds } from "../core/verdict.ts";
import type { VerdictLine } from "./verdict-schema.ts";

/** What a run knows of itself besides its verdict line. Times are milliseconds since 1970, lengths milliseconds. */
export type RunOfMetrics = {
  /** The label of every series: several of these files may meet at one reader. */
  readonly application: string;
  readonly version: string;
  readonly command: string;
  readonly endedAt: number;
  readonly tookMs: number;
  /** What the file said before; null: nothing. */
  readonly lastSuccess: number | null;
};

type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

type MetricRow = {
  /** Those besides `application`, and what they can be. */
  readonly labels?: string;
  readonly about: string;
  readonly samples: (line: VerdictLine, run: RunOfMetrics) => readonly Sample[];
};

/**
 * THE table of metrics: the file and docs/observability.md are made of it. All are gauges, since a program that ends has
 * nothing to count up, and gauges are what OpenMetrics and Prometheus' older text format write alike.
 */
export const metricsTable = {
  preflight_info: {
    labels: "`version`, `command` (`run` or `check`), `tool`, `server`",
    about: "always 1; what ran, and on which PostgreSQL",
    samples: ({ tool, server }, { version, command }) =>
      one(1, { version, command, tool: tool ?? "", server: server ?? "" }),
  },
  preflight_outcome: {
    labels: "`outcome`: each of the table of exit codes",
    about: "how the last run ended: 1 for that outcome, 0 for the others",
    samples: ({ outcome }) => stateSet("outcome", Object.keys(outcomes), outcome),
  },
  preflight_exit_code: {
    about: "the exit code of the last run",
    samples: ({ exit }) => one(exit),
  },
  preflight_enforced: {
    about: "0 where the last run had --enforce off, 1 elsewhere",
    samples: ({ wouldExit }) => one(wouldExit === null ? 1 : 0),
  },
  preflight_would_exit_code: {
    about: "the exit code that the last run would have had with --enforce on",
    // Always there: a gateway would keep the last one of a shadow that is over.
    samples: ({ exit, wouldExit }) => one(wouldExit ?? exit),
  },
  preflight_verdict: {
    labels: "`verdict`: each of the table of states",
    about:
      "what was found at first: 1 for that verdict, 0 for the others; all 0 where nothing was looked at",
    samples: ({ verdict }) => stateSet("verdict", verdictKinds, verdict),
  },
  preflight_drift: {
    labels: "`kind`: `missing`, `changed`, `extra`",
    about: "differences between the schema and the ledger; absent where no database was looked at",
    samples: ({ server, drift }) => (server === null ? [] : each("kind", drift)),
  },
  preflight_actions: {
    labels: "`kind`: `stamp`, `widen`, `upgrade`",
    about: "what the run did; by check and with --enforce off: what run would do",
    samples: ({ actions }) => {
      const count = (wanted: string) => actions.filter(({ kind }) => kind === wanted).length;
      return each("kind", {
        stamp: count("stamp"),
        widen: count("widen"),
        upgrade: count("upgrade"),
      });
    },
  },
  preflight_revisions: {
    about: "revisions that these upgrades bring in",
    samples: ({ actions }) =>
      one(actions.flatMap((each) => (each.kind === "upgrade" ? each.revisions : [])).length),
  },
  preflight_duration_seconds: {
    about: "how long the last run took, from its start to its verdict",
    samples: (_, { tookMs }) => one(tookMs / 1000),
  },
  preflight_phase_duration_seconds: {
    labels:
      "`phase`: `wait` (for the database), `lock` (waiting for it), `act` (stamping and upgrading)",
    about: "how long the parts of the last run took that can be long",
    samples: ({ waitedMs, lockWaitMs, actedMs }) =>
      each("phase", { wait: waitedMs / 1000, lock: lockWaitMs / 1000, act: actedMs / 1000 }),
  },
  preflight_last_run_timestamp_seconds: {
    about: "when the last run ended",
    samples: (_, { endedAt }) => one(endedAt / 1000),
  },
  preflight_last_success_timestamp_seconds: {
    about:
      "when the last run with exit code 0 ended (with --enforce off, the last that would have had it); kept over failures, absent before the first success",
    samples: ({ exit, wouldExit }, { endedAt, lastSuccess }) => {
      const last = (wouldExit ?? exit) === 0 ? endedAt : lastSuccess;
      return last === null ? [] : one(last / 1000);
    },
  },
} as const satisfies Readonly<Record<string, MetricRow>>;

/** OpenMetrics, and to the older parsers of Prometheus and of node_exporter's textfile collector plain text. */
export function formatMetrics(line: VerdictLine, run: RunOfMetrics): string {
  const families = Object.entries<MetricRow>(metricsTable).flatMap(([name, { about, samples }]) => {
    const lines = samples(line, run).map(
      ({ labels, value }) =>
        `${name}${formatLabels({ application: run.application, ...labels })} ${value}`,
    );
    const unit = name.endsWith("_seconds") ? [`# UNIT ${name} seconds`] : [];
    return lines.length === 0
      ? []
      : [`# TYPE ${name} gauge`, ...unit, `# HELP ${name} ${about}`, ...lines];
  });
  return `${[...families, "# EOF"].join("\n")}\n`;
}

/** The table of docs/observability.md. */
export function metricsMarkdown(): string {
  const rows = Object.entries<MetricRow>(metricsTable).map(
    ([name, { labels = "", about }]) => `| \`${name}\` | ${labels} | ${about} |`,
  );
  return ["| metric | labels | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

/** Of a file that this program may overwrite: an empty one, or one that it wrote. */
export function isOurs(text: string): boolean {
  return text.trim() === "" || /^# (?:TYPE|HELP) preflight_/.test(text);
}

/** What an earlier run wrote, in milliseconds; null: nothing that can be read. A clock may have been set back meanwhile. */
export function lastSuccessIn(text: string, now: number): number | null {
  const [, seconds] =
    /^preflight_last_success_timestamp_seconds(?:\{.*\})? (\d+(?:\.\d+)?)$/m.exec(text) ?? [];
  return seconds === undefined ? null : Math.min(Number(seconds) * 1000, now);
}

function one(value: number, labels: Sample["labels"] = {}): readonly Sample[] {
  return [{ labels, value }];
}

function each(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function stateSet(label: string, states: readonly string[], is: string | null): readonly Sample[] {
  return states.map((state) => ({ labels: { [label]: state }, value: state === is ? 1 : 0 }));
}

function formatLabels(labels: Sample["labels"]): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return `{${pairs.join(",")}}`;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/**
 * Whole or not at all, however many write it at once: a reader sees one run's metrics. Not flushed to the disk: that can
 * take long, and what a power cut takes the next run writes again.
 * @returns why it could not be written; null: done
 */
export function writeMetrics(
  file: string,
  line: VerdictLine,
  run: Omit<RunOfMetrics, "application" | "lastSuccess">,
): string | null {
  const temporary = `${file}.${line.runId}`;
  try {
    const before = readIfThere(file);
    if (!isOurs(before)) return "there is a file that preflight did not write";
    // What tells several applications apart where their files meet: the one thing that cannot be the same. It is shown as it
    // is: `***` in a file called shop would tell that a password is shop.
    const application = path.parse(file).name;
    const lastSuccess = lastSuccessIn(before, run.endedAt);
    const text = formatMetrics(line, { ...run, application, lastSuccess });
    // Whatever lies there under this name, a link above all, is not written through.
    writeFileSync(temporary, text, { flag: "wx" });
    try {
      // Whoever collects it is another user, and an image's umask may be strict.
      chmodSync(temporary, 0o644);
      renameSync(temporary, file);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    return null;
  } catch (error) {
    return systemCode(error);
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}
