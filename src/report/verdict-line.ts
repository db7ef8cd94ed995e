// Of the schema the type alone: to build it takes longer than all that is said here.
import type { VerdictLine } from "./verdict-schema.ts";

/** Kubernetes keeps this much of a termination message. */
const mostBytes = 4096;

/** One line of JSON, shortened where it would be too long for a termination message. */
export function formatVerdictLine(line: VerdictLine): string {
  for (const most of [Infinity, 20, 5, 1]) {
    const text = JSON.stringify(shorten(line, most));
    if (Buffer.byteLength(text) <= mostBytes) return text;
  }
  return JSON.stringify(shorten({ ...line, next: [], actions: [] }, 1));
}

function shorten(line: VerdictLine, most: number): VerdictLine {
  if (most === Infinity) return line;
  return {
    ...line,
    recorded: line.recorded && few(line.recorded),
    recordedAfter: line.recordedAfter && few(line.recordedAfter),
    proven: line.proven && few(line.proven),
    withoutFile: few(line.withoutFile),
    skipped: few(line.skipped),
    actions: line.actions.map((action) => {
      switch (action.kind) {
        case "stamp":
        case "undo":
          return { ...action, from: few(action.from), to: few(action.to) };
        case "upgrade":
          return { ...action, revisions: few(action.revisions) };
        case "repair":
          return { ...action, to: few(action.to) };
        case "widen":
          return action;
      }
    }),
    reason: line.reason && clip(line.reason, most * 100),
    next: few(line.next, most * 100),
  };

  function few(items: readonly string[], longest = Math.max(200, most * 20)): string[] {
    const shown = items.slice(0, most).map((item) => clip(item, longest));
    return items.length <= most ? shown : [...shown, `… ${items.length - most} more`];
  }
}

/** To so many bytes of JSON: a control character takes six. */
function clip(text: string, most: number): string {
  if (bytesOf(text) <= most) return text;
  let clipped = "";
  let bytes = 0;
  for (const character of text) {
    bytes += bytesOf(character);
    if (bytes > most) break;
    clipped += character;
  }
  return `${clipped}…`;
}

function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
