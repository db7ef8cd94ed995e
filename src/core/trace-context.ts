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
