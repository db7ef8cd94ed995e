import { styleText } from "node:util";
import pino from "pino";

/** Something worth telling while a run goes on. Further fields go into the JSON line as they are. */
export type LogEvent = {
  readonly level: "debug" | "info" | "warn" | "error";
  /** A stable name, such as `lock.waiting`. */
  readonly event: string;
  readonly msg: string;
  /** Of interest only while it lasts: a terminal shows it until the next event; no log keeps it. */
  readonly live?: boolean;
  readonly [field: string]: unknown;
};

export type Log = (event: LogEvent) => void;

/** One JSON object a line; readable text when a person watches. Everything passes through `redact`. */
export function openLog(options: {
  readonly verbose: boolean;
  readonly isTerminal: boolean;
  readonly runId: string;
  readonly trace: TraceContext | null;
  readonly write: (text: string) => void;
  readonly redact: <Value>(value: Value) => Value;
}): Log {
  const { verbose, isTerminal, runId, trace, write, redact } = options;
  const level = verbose ? "debug" : "info";
  if (isTerminal) {
    let erase = "";
    return (event) => {
      if (event.level === "debug" && !verbose) return;
      const text = asText({ ...event, msg: redact(event.msg) });
      write(`${erase}${text}${event.live === true ? "" : "\n"}`);
      erase = event.live === true ? eraseLine : "";
    };
  }
  const logger = pino(
    {
      level,
      base: { runId, ...(trace !== null && traceFields(trace)) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
  return (event) => {
    const { level: severity, event: name, live, ...rest } = event;
    if (live === true) return;
    const { msg, ...fields } = redact(rest);
    logger[severity]({ event: name, ...fields }, msg);
  };
}

/** As OpenTelemetry names them in logs. */
function traceFields({ traceId, spanId, flags }: TraceContext) {
  return { trace_id: traceId, span_id: spanId, trace_flags: flags };
}

const eraseLine = "\r\u001b[2K";

function asText({ level, msg }: LogEvent): string {
  const mark = { debug: "·", info: "▸", warn: "!", error: "✗" }[level];
  const colour = ({ debug: "gray", info: "cyan", warn: "yellow", error: "red" } as const)[level];
  return `${styleText(colour, mark)} ${msg}`;
}

/** Where in a trace this run belongs: https://www.w3.org/TR/trace-context/ */
export type TraceContext = {
  readonly traceId: string;
  /** Of whoever started us: we begin no span of our own. */
  readonly spanId: string;
  readonly flags: string;
};

/** Null: not valid. A version after 00 may have more behind the flags, and is read as far as 00 goes. */
export function parseTraceparent(text: string): TraceContext | null {
  const [, version, traceId = "", spanId = "", flags = "", rest] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(text) ?? [];
  if (version === undefined || version === "ff") return null;
  if (version === "00" && rest !== undefined) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, flags };
}
