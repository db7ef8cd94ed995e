import { journalTable } from "../core/journal.ts";
import { progressTable } from "../core/migration.ts";

/** Tables whose names contain this are a tool's: Alembic's, which is often told of several. */
export const knownNamePart = "alembic_version";

/** Where tools that number their files too keep a column `version`. */
export const neighbourTables = [
  "schema_migrations",
  "schema_version",
  "schema_versions",
  "migrations",
  "_sqlx_migrations",
];

/**
 * Where migration tools keep their records: THE table. None of these is ever a fact of a schema, and a
 * database that holds one is another tool's business too. Names that applications use as well (`migrations`) are not listed.
 */
export const knownVersionTables: readonly {
  readonly tool: string;
  /** null: in any schema. */
  readonly schema: string | null;
  readonly name: string;
}[] = [
  { tool: "Preflight", schema: null, name: "preflight_migrations" },
  { tool: "Preflight", schema: null, name: progressTable },
  { tool: "Preflight", ...journalTable },
  { tool: "Supabase", schema: "supabase_migrations", name: "schema_migrations" },
  { tool: "Supabase", schema: "supabase_migrations", name: "seed_files" },
  { tool: "Rails, golang-migrate, dbmate or Ecto", schema: null, name: "schema_migrations" },
  { tool: "Rails", schema: null, name: "ar_internal_metadata" },
  { tool: "Flyway", schema: null, name: "flyway_schema_history" },
  { tool: "Django", schema: null, name: "django_migrations" },
  { tool: "Prisma", schema: null, name: "_prisma_migrations" },
  { tool: "Liquibase", schema: null, name: "databasechangelog" },
  { tool: "Liquibase", schema: null, name: "databasechangeloglock" },
  { tool: "Knex", schema: null, name: "knex_migrations" },
  { tool: "Knex", schema: null, name: "knex_migrations_lock" },
  { tool: "goose", schema: null, name: "goose_db_version" },
  { tool: "Atlas", schema: null, name: "atlas_schema_revisions" },
  { tool: "Drizzle", schema: null, name: "__drizzle_migrations" },
  { tool: "node-pg-migrate", schema: null, name: "pgmigrations" },
  { tool: "Sequelize", schema: null, name: "SequelizeMeta" },
  { tool: "Entity Framework", schema: null, name: "__EFMigrationsHistory" },
  { tool: "Kysely", schema: null, name: "kysely_migration" },
  { tool: "Kysely", schema: null, name: "kysely_migration_lock" },
  { tool: "MikroORM", schema: null, name: "mikro_orm_migrations" },
  { tool: "sqlx", schema: null, name: "_sqlx_migrations" },
  { tool: "Diesel", schema: null, name: "__diesel_schema_migrations" },
  { tool: "SeaORM", schema: null, name: "seaql_migrations" },
  { tool: "Refinery", schema: null, name: "refinery_schema_history" },
  { tool: "yoyo", schema: null, name: "_yoyo_migration" },
  { tool: "yoyo", schema: null, name: "_yoyo_log" },
  { tool: "yoyo", schema: null, name: "_yoyo_version" },
  { tool: "yoyo", schema: null, name: "yoyo_lock" },
];
