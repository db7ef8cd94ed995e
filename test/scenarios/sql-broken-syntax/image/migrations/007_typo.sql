-- Purpose: a mistake
CREATE TABLE t (id int);
ALTER TABEL t ADD COLUMN a int;
