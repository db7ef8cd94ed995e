/** Writes what the documentation takes from the code's own tables; with --check only says whether it is up to date. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { z } from "zod";
import { commands } from "../src/cli.ts";
import { extraKinds, totalFunctions } from "../src/core/extras.ts";
import { outcomes } from "../src/core/outcome.ts";
import { type Cause, refusals } from "../src/core/refusals.ts";
import { auditReport } from "../src/report/audit-report.ts";
import { exitCodesMarkdown, settingsMarkdown } from "../src/report/help.ts";
import { metricsMarkdown } from "../src/report/metrics.ts";
import { verdictLine } from "../src/report/verdict-schema.ts";
import { addressTable, settingsTable } from "../src/settings/settings-table.ts";
import { tools } from "../src/tools/registry.ts";
import { readScenarios } from "../test/support/scenario.ts";
import { bashCompletion } from "./completion.ts";

const toolName = z.enum(tools.map(({ name }) => name).toSorted());
const root = path.dirname(import.meta.dirname);

if (import.meta.main) {
  const stale = generateDocs().filter(({ text, wanted }) => text !== wanted);
  const isCheck = process.argv.includes("--check");
  for (const { file, wanted } of stale) {
    if (!isCheck) writeFileSync(path.join(root, file), wanted);
    process.stdout.write(isCheck ? `${file} is out of date: npm run docs\n` : `${file} written\n`);
  }
  if (isCheck && stale.length > 0) process.exitCode = 1;
}

/** Each generated file as it is ("" where there is none) and as it should be. */
export function generateDocs(): readonly {
  readonly file: string;
  readonly text: string;
  readonly wanted: string;
}[] {
  const tables = { commands, settings: settingsTable, addresses: addressTable };
  return [
    page("docs/settings.md", "settings", settingsMarkdown(tables)),
    page("docs/exit-codes.md", "exit-codes", exitCodesMarkdown()),
    page("docs/refusals.md", "refusals", refusalsMarkdown()),
    page("docs/observability.md", "metrics", metricsMarkdown()),
    page("docs/how-it-decides.md", "extras", extrasMarkdown()),
    {
      file: "completions/preflight.bash",
      text: read("completions/preflight.bash"),
      wanted: bashCompletion(commands, settingsTable),
    },
    schemaFile(
      "docs/verdict.schema.json",
      verdictLine.extend({ tool: toolName.nullable() }).meta(verdictLine.meta() ?? {}),
    ),
    schemaFile("docs/audit.schema.json", auditReport),
  ];
}

function page(file: string, block: string, content: string) {
  const text = read(file);
  return { file, text, wanted: replaceBlock(text, block, content) };
}

function extrasMarkdown(): string {
  const answers = { start: "starts", warn: "starts, with a warning", refuse: "20" };
  const rows = extraKinds.map(
    ({ what, answer, why }) => `| ${what} | ${answers[answer]} | ${why} |`,
  );
  return [
    "| added, and in no revision | the application | because |",
    "|---|---|---|",
    ...rows,
    "",
    `These built-in functions, comparisons of built-in types, and CASE, COALESCE, NULLIF, GREATEST, LEAST, IN, AND, OR, NOT, IS NULL have a result for every value: ${totalFunctions.map((each) => `\`${each}\``).join(", ")}.`,
  ].join("\n");
}

function refusalsMarkdown(): string {
  const scenarios = Map.groupBy(readScenarios(), ({ expect }) => expect.cause);
  const rows = Object.entries(refusals).map(([cause, { outcome, when }]) => {
    const met = scenarios.get(cause as Cause) ?? [];
    const links = met.map(({ name }) => `[${name}](../test/scenarios/${name}/scenario.json)`);
    return { exit: outcomes[outcome].exit, row: [`\`${cause}\``, when, links.join(" ")] };
  });
  return [
    "| exit | cause | when | tried in |",
    "|---|---|---|---|",
    ...rows
      .toSorted((one, other) => one.exit - other.exit)
      .map(({ exit, row }) => `| ${[exit, ...row].join(" | ")} |`),
  ].join("\n");
}

function schemaFile(file: string, contract: z.ZodType) {
  return {
    file,
    text: read(file),
    wanted: `${JSON.stringify(z.toJSONSchema(contract), null, 2)}\n`,
  };
}

/** What stands between `<!-- name:begin -->` and `<!-- name:end -->`, each of which occurs once. */
function replaceBlock(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [before = "", rest, ...more] = text.split(begin);
  const [, after, ...others] = (rest ?? "").split(end);
  if (after === undefined || more.length + others.length > 0)
    throw new Error(`the file needs ${begin} and ${end}, each once and in this order`);
  return `${before}${begin}\n${content}\n${end}${after}`;
}

function read(file: string): string {
  try {
    return readFileSync(path.join(root, file), "utf8");
  } catch {
    return "";
  }
}
