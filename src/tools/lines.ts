import type { Readable } from "node:stream";

/**
 * What is kept of one line, in UTF-16 units; the rest of it is dropped. It is twice what the report shows of a text, so
 * that a secret which stands where the report cuts is seen whole, and found.
 */
const mostOfLine = 128 * 1024;

/** Each line of a stream without its line end, to the stream's end; bytes that are no UTF-8 come as U+FFFD. */
export async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let line = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    const [first = "", ...others] = String(chunk).split("\n");
    line = keep(line, first);
    for (const part of others) {
      onLine(line.replace(/\r$/, ""));
      line = keep("", part);
    }
  }
  if (line !== "") onLine(line);
}

function keep(line: string, more: string): string {
  const room = mostOfLine - line.length;
  return room <= 0 ? line : line + (more.length <= room ? more : more.slice(0, room));
}
