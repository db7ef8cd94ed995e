/**
 * The limit for locks, for drivers that read PGOPTIONS: libpq's, such as psycopg and psycopg2. What the user has put there comes
 * after it, and counts.
 * @param milliseconds null: no limit
 */
export function lockTimeoutVariable(
  env: Readonly<Record<string, string | undefined>>,
  milliseconds: number | null,
): Readonly<Record<string, string>> {
  if (milliseconds === null) return {};
  const limit = `-c lock_timeout=${Math.max(1, Math.round(milliseconds))}`;
  return { PGOPTIONS: `${limit} ${env["PGOPTIONS"] ?? ""}`.trim() };
}
