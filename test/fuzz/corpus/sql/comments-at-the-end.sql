SELECT 1
-- a comment
-- another
/* and one */