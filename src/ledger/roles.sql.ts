/**
 * Which roles the migrations made: roles belong to the whole server and stay when the database goes.
 * A new role in a row of a transaction that is still open is of this transaction, subtransactions
 * included; what other sessions make shows only when it is committed.
 */
export const rolesSql = `
CREATE TABLE __preflight_bake.role AS SELECT oid, false AS is_made_here FROM pg_catalog.pg_authid;
CREATE FUNCTION __preflight_bake.note_roles() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_epoch bigint := (pg_current_xact_id()::text::bigint >> 32) << 32;
BEGIN
  INSERT INTO __preflight_bake.role
  SELECT a.oid, pg_xact_status((v_epoch + a.xmin::text::bigint)::text::xid8) = 'in progress'
  FROM pg_authid a
  WHERE NOT EXISTS (SELECT FROM __preflight_bake.role r WHERE r.oid = a.oid);
  RETURN NULL;
END $$`;
