import type { VersionTableLayout } from "../../core/migration-tool.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../core/quote.ts";

export const versionTable: VersionTableLayout = {
  usual: { schema: null, name: "alembic_version" },
  rows: "heads",
  version: "version_num",
  columns: ["version_num"],
  digest: null,
  fileName: null,
  dirty: null,
  isAlsoOurs: "alembic_version",
  width: 32,
  hasNeighbours: false,
  // Character for character what Alembic creates, wide enough. It makes no schema.
  create: (table, width) => `
CREATE TABLE ${quoteQualified(table)} (
    version_num VARCHAR(${width}) NOT NULL,
    CONSTRAINT ${quoteIdentifier(`${table.name}_pkc`)} PRIMARY KEY (version_num)
)`,
  isCompleted: false,
  values: ({ version }) => ({ version_num: quoteLiteral(version) }),
};
