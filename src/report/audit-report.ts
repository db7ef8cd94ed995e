import { z } from "zod";
import { countLevels, type Finding, levels } from "../core/audit.ts";

/** The stable, versioned contract of `audit --json`; the published JSON schema is made from it. */
export const auditReport = z
  .object({
    v: z.literal(1),
    findings: z
      .array(
        z.object({
          level: z.enum(levels),
          rule: z.string().describe("a stable name, such as drop-column"),
          file: z.string().nullable().describe("relative to the history's root; null: no one file"),
          line: z.int().nullable().describe("from 1; null: the whole file"),
          seen: z.string(),
          why: z.string(),
          remedy: z.string(),
        }),
      )
      .describe("in the order of the files and of their lines"),
    warnings: z.array(z.string()).describe("about the history as a whole, such as gaps"),
    summary: z.object({
      fault: z.int().describe("the history cannot be used: exit 24"),
      danger: z.int().describe("loses data, or keeps others from a table that has many rows"),
      warning: z.int(),
      note: z.int(),
      files: z.int().describe("files with findings"),
    }),
  })
  .meta({ title: "Preflight audit report" });

export type AuditReport = z.infer<typeof auditReport>;

export function makeAuditReport(
  findings: readonly Finding[],
  warnings: readonly string[],
): AuditReport {
  const files = new Set(findings.flatMap(({ file }) => file ?? []));
  return auditReport.parse({
    v: 1,
    findings,
    warnings,
    summary: { ...countLevels(findings), files: files.size },
  });
}
