/**
 * Which transactions changed rows or schema on the way to each movement. An id belongs to one session, so it tells of a
 * second session too. What is rolled back leaves no trace here either. A sequence says to which movement a change
 * belongs, because another session may commit it when that movement is over.
 */
export const transactionsSql = `
CREATE FUNCTION __preflight_bake.note_transaction() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO __preflight_bake.done
  SELECT last_value, pg_current_xact_id() FROM __preflight_bake.applied
  ON CONFLICT DO NOTHING;
END $$;
-- When a command ends: before one that refuses to run in a transaction with an id, nothing may be written.
CREATE FUNCTION __preflight_bake.after_any_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  -- REINDEX runs in a read-only transaction, too.
  IF pg_catalog.current_setting('preflight_bake.inside', true) = 'on'
    OR pg_catalog.current_setting('transaction_read_only') = 'on' THEN RETURN; END IF;
  PERFORM __preflight_bake.note_transaction(), __preflight_bake.hand_over_counts();
  INSERT INTO __preflight_bake.altered VALUES (TG_TAG);
END $$`;

/** The movements, each with whether its revision changed nothing outside of the transaction that it is of. */
export const movementsSeenSql = `
SELECT m.*, NOT EXISTS (
  SELECT FROM __preflight_bake.done d
  WHERE d.step > m.step_before AND d.step <= m.step AND d.xid <> m.xid) AS is_atomic
FROM (SELECT *, lag(step, 1, -1::bigint) OVER (ORDER BY ordinal) AS step_before FROM __preflight_bake.movement) AS m`;
