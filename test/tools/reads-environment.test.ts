import { expect, it } from "vitest";
import { readsEnvironment } from "../../src/tools/file-text.ts";

it.each<[string, boolean]>([
  ['region = os.environ["REGION"]', true],
  ['region = os.environ.get("REGION")', true],
  ['region = os.getenv("REGION", "eu")', true],
  ["from os import environ", true],
  ['region = getenv("REGION")', true],
  ['context.get_x_argument(as_dictionary=True)["region"]', true],
  ["ALTER TABLE t ALTER region SET DEFAULT current_setting('app.region')", true],
  ["CREATE TABLE environ (getenv text)", false],
  ['op.add_column("cars", sa.Column("environment", sa.Text()))', false],
])("%s", (text, reads) => {
  expect(readsEnvironment(text)).toBe(reads);
});
