/** Says where its scratch database is, and waits to be killed. */
import { openScratch } from "../../src/ledger/scratch.ts";

const scratch = await openScratch({
  url: null,
  searchFrom: [process.cwd()],
  image: null,
  env: process.env,
  preludes: [],
  signal: new AbortController().signal,
  log: () => {},
});
const { env } = await scratch.createDatabase();
process.stdout.write(JSON.stringify(env));
