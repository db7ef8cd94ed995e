import { expect, test } from "vitest";
import { parseTraceparent } from "../../src/report/log.ts";

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

test.each([
  [`00-${trace}-${span}-01`, "01"],
  [`00-${trace}-${span}-00`, "00"],
  [`00-${trace}-${span}-ff`, "ff"],
  [`01-${trace}-${span}-01`, "01"],
  [`cc-${trace}-${span}-01-what the future brings`, "01"],
  [`cc-${trace}-${span}-01-`, "01"],
])("%s is a place in a trace", (text, flags) => {
  expect(parseTraceparent(text)).toEqual({ traceId: trace, spanId: span, flags });
});

test.each([
  "",
  "yes",
  `${trace}-${span}`,
  `00-${trace}-${span}`,
  `00-${trace}-${span}-1`,
  `00-${trace}-${span}-01-more`,
  `00-${trace}-${span}-01-`,
  `01-${trace}-${span}-01.more`,
  `ff-${trace}-${span}-01`,
  `00-${trace.toUpperCase()}-${span}-01`,
  `00-${"0".repeat(32)}-${span}-01`,
  `00-${trace}-${"0".repeat(16)}-01`,
  `00-${trace.slice(1)}-${span}-01`,
  `00-${trace}-${span}0-01`,
  ` 00-${trace}-${span}-01`,
  `00-${trace}-${span}-01\n`,
  `0g-${trace}-${span}-01`,
])("%j is none", (text) => {
  expect(parseTraceparent(text)).toBeNull();
});
