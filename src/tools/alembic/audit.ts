import type { Finding } from "../../core/audit.ts";
import type { History } from "../../core/history.ts";
import { widthFor } from "../../core/plan.ts";
import { versionTable } from "./version-table.ts";

export function findLongId(history: History): readonly Finding[] {
  const width = widthFor(history);
  const longest = [...history.revisions.values()].find(({ id }) => [...id].length === width);
  if (width === versionTable.width || longest === undefined) return [];
  return [
    {
      level: "warning",
      rule: "long-id",
      file: longest.file,
      line: null,
      seen: `a revision id has ${width} characters`,
      why: "Alembic makes its column 32 wide, and preflight widens it before an upgrade",
      remedy: "a shorter id, where no database has recorded this one yet",
    },
  ];
}
