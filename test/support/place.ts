import type { Example } from "./scenario.ts";
import { environment, makeDatabase, makeImage, preflight, type Ran, type Shop } from "./shop.ts";

/** A database of its own and an image beside it, in which a test plays one command after the other. */
export type Place = {
  readonly url: string;
  readonly image: string;
  readonly play: (
    words: readonly string[],
    more?: Readonly<Record<string, string>>,
  ) => Promise<Ran>;
  readonly sql: (text: string) => Promise<readonly Record<string, unknown>[]>;
};

/** An example's database at a revision, with this done to it. */
export async function placeAt(
  shop: Shop,
  example: Example,
  revision: string | null,
  sql: readonly string[] = [],
): Promise<Place> {
  const url = await makeDatabase(shop, { example, at: revision, sql });
  const image = makeImage(shop, { name: "", example });
  return {
    url,
    image,
    play: async (words, more = {}) =>
      await preflight("cli", words, { cwd: image, env: { ...environment(shop, url), ...more } }),
    sql: async (text) => await shop.server.sql(url, text),
  };
}
