import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { titleOf } from "../../../src/tools/alembic/title.ts";

const generated = `"""Add orders

Revision ID: a1b2c3
Revises:
Create Date: 2024-01-31 12:00:00

"""
from alembic import op
`;

describe("the first line of the docstring", () => {
  const sources: readonly [string, string][] = [
    [generated, "Add orders"],
    ["#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\n'''\nAdd orders.\n'''\n", "Add orders"],
    ['r"""Add \\d orders"""; x = """y"""\n', "Add \\d orders"],
    ["'Add orders'\r\nrevision = 'x'\r\n", "Add orders"],
    ['"""   Add  a tab\there   \n  more\n"""\n', "Add a tab here"],
  ];
  test.each(sources)("%j", (text, title) => {
    expect(titleOf("versions/a1b2c3_slug.py", "a1b2c3", text)).toBe(title);
    // Where Python sees none, the file's name would have been taken.
    const script = "import ast, sys; print(ast.get_docstring(ast.parse(sys.stdin.read())))";
    const docstring = execFileSync("python3", ["-c", script], { input: text, encoding: "utf8" });
    const [first = ""] = docstring.trim().split("\n");
    expect(first.replaceAll(/\s+/g, " ").trim().replace(/\.$/, "")).toBe(title);
  });
});

describe("else what the file's name says besides the id", () => {
  test.each([
    ["a1b2c3_add_orders.py", "add orders"],
    ["2024_01_31_1200-a1b2c3_add_orders.py", "add orders"],
    ["20240131_add_orders_a1b2c3.py", "add orders"],
    ["0003_add_orders.py", "add orders"],
    ["a1b2c3_.py", ""],
    ["a1b2c3.py", ""],
  ])("%s", (file, title) => {
    for (const text of ['"""empty message\n\nRevision ID: a1b2c3\n"""\n', '"""\n"""', "x = 1\n"])
      expect(titleOf(`versions/${file}`, "a1b2c3", text)).toBe(title);
  });
});

test("a line of the log holds no long title, and no control character of anybody's", () => {
  expect(titleOf("x.py", "x", '"""\u001b[31mAdd\u0007 orders\u202e"""')).toBe("[31mAdd orders");
  const title = titleOf("x.py", "x", `"""${"word ".repeat(1000)}"""`);
  expect(title).toMatch(/^(?:word )+…$/);
  expect(title.length).toBeLessThan(63);
});

test("a file that is nothing but comments takes no time", () => {
  const started = performance.now();
  titleOf("x.py", "x", "# a comment\n   \n".repeat(100_000));
  expect(performance.now() - started).toBeLessThan(1_000);
});
