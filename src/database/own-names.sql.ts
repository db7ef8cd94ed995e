/**
 * In front of a message: whatever the role's search path is, names and operators are PostgreSQL's own. Holds for the
 * transaction; statements of one message that begin none are one all the same, and a failure leaves nothing open.
 */
export const ownNames = "SET LOCAL search_path = pg_catalog, pg_temp;";
