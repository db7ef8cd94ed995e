/**
 * Whether a migration creates something only if it is not there, in SQL or in Alembic's and SQLAlchemy's words. Extensions and schemas
 * do not count: they are made beforehand everywhere, also by migrations that create all else without asking.
 */
export function saysIfNotExists(text: string): boolean {
  return /(?<!\b(?:EXTENSION|SCHEMA)\s+)\bIF\s+NOT\s+EXISTS\b|\bif_not_exists\s*=\s*True\b|\bcheckfirst\s*=\s*True\b/i.test(
    text,
  );
}
