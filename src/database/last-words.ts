/** What a server says with FATAL before it closes the connection; the driver would keep it to itself. */
export type LastWords = { readonly code: string; readonly message: string };

/** The body of an ErrorResponse. */
export function readError(fields: Buffer): LastWords {
  const values = new Map(
    fields
      .toString("utf8")
      .split("\0")
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return { code: values.get("C") ?? "", message: values.get("M") ?? "" };
}
