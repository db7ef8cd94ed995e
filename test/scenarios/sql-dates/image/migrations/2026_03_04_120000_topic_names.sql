ALTER TABLE topics ADD COLUMN name text;
