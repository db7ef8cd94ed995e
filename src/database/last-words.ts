import type { Socket } from "node:net";

/** What a server says with FATAL before it closes the connection; the driver would keep it to itself. */
export type LastWords = { readonly code: string; readonly message: string };

const longest = 8192;

/** Follows the server's messages by their lengths. The answer is null until an error was the last of them. */
export function hearLastWords(socket: Socket): () => LastWords | null {
  /** The beginning of a message that is not whole yet. */
  let begun: Buffer = Buffer.alloc(0);
  /** Bytes of a long message that are still to come. */
  let toSkip = 0;
  let last: LastWords | null = null;
  socket.on("data", (bytes: Buffer) => {
    const skipped = Math.min(toSkip, bytes.length);
    toSkip -= skipped;
    let rest = skipped === 0 ? Buffer.concat([begun, bytes]) : bytes.subarray(skipped);
    while (rest.length >= 5) {
      const length = 1 + rest.readUInt32BE(1);
      const isError = rest[0] === errorResponse && length <= longest;
      if (isError && rest.length < length) break;
      last = isError ? readError(rest.subarray(5, length)) : null;
      toSkip = Math.max(0, length - rest.length);
      rest = rest.subarray(Math.min(length, rest.length));
    }
    begun = Buffer.from(rest);
  });
  return () => last;
}

const errorResponse = "E".charCodeAt(0);

function readError(fields: Buffer): LastWords {
  const values = new Map(
    fields
      .toString("utf8")
      .split("\0")
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return { code: values.get("C") ?? "", message: values.get("M") ?? "" };
}
