SET client_encoding = 'latin1';
COMMIT;
COMMIT;
\i other.sql
