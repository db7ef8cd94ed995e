import { expect, test } from "vitest";
import { firstWords } from "../../src/core/first-words.ts";

test.each([
  ["SELECT 1", "SELECT 1"],
  ["  SELECT *\n  FROM orders\tWHERE id = 1 AND note IS NULL", "SELECT * FROM orders WHERE id …"],
  ["-- nightly\nVACUUM /* all of it */ orders", "VACUUM orders"],
  ["ALTER ROLE app PASSWORD 's3cret'", "ALTER ROLE app PASSWORD …"],
  ["ALTER ROLE app PASSWORD $$s3cret$$", "ALTER ROLE app PASSWORD …"],
  ["SELECT E'\\'s3cret'", "SELECT E …"],
  ["UPDATE cards SET number=4111111111111111", "UPDATE cards SET number …"],
  ["INSERT INTO cards VALUES (4111111111111111)", "INSERT INTO cards VALUES ( …"],
  ["SET app.token TO s3cret", "SET app.token …"],
  ["'s3cret'", null],
  ["", null],
  [null, null],
  ["<insufficient privilege>", null],
])("%j: %j", (statement, shown) => {
  expect(firstWords(statement)).toBe(shown);
});
