import { expect, it } from "vitest";
import { saysIfNotExists } from "../../src/tools/file-text.ts";

it.each<[string, boolean]>([
  ["CREATE TABLE IF NOT EXISTS cars (id int)", true],
  ["alter table cars add column if  not\nexists fuel text", true],
  [
    "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type) THEN CREATE TYPE t AS (); END IF; END $$",
    true,
  ],
  ['op.create_table("cars", if_not_exists=True)', true],
  ["Base.metadata.create_all(bind, checkfirst = True)", true],
  ["CREATE TABLE cars (id int)", false],
  ["CREATE EXTENSION IF NOT EXISTS citext; CREATE TABLE cars (id citext)", false],
  ["create schema  if not exists app; create table app.cars (id int)", false],
  ['op.create_table("cars", if_not_exists=False)', false],
  ["DROP TABLE IF EXISTS cars", false],
])("%s", (text, says) => {
  expect(saysIfNotExists(text)).toBe(says);
});
