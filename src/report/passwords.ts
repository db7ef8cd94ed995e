import type { Span } from "./spans.ts";

/** Passwords that nobody told us of, known by where they stand. */
export function findPasswords(text: string): readonly Span[] {
  return places.flatMap((place) =>
    [...text.matchAll(place)].flatMap(({ indices }) => {
      const span = indices?.[1];
      return span === undefined ? [] : [span];
    }),
  );
}

/** Each looks forward only: what looks back over a run of signs from each of them takes the square of its length. */
const places: readonly RegExp[] = [
  // Of any URL: it ends at the last `@` before a slash, quote or space, as a careless one may hold more; or it is cut.
  /:\/\/[^\s/?#:@"'<>]*:([^\s/"'<>]+)(?:@|\.\.\.|…)/dg,
  // `PASSWORD 'secret'`, as CREATE ROLE and its like have it.
  /\bpassword\s+E?'((?:[^']|'')+)/dgi,
  // `password=secret` of a connection string, also inside of a literal.
  /\b(?:password|passwd|pwd)\s?=\s?["']*([^\s"',;&]+)/dgi,
  // `"password": "secret"` of JSON, `'password': 'secret'` of a Python dict.
  /["'](?:password|passwd|pwd)["']: ?["']((?:[^"'\\]|\\.)+)/dgi,
];
