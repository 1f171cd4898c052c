-- Which processes share the database, and who works on what. A file belongs to one process: whoever opens it takes the
-- place of the one before, under this one row, whose lease does not end.

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL       -- by the database's clock
);

INSERT INTO instances (id, started_at, expires_at) VALUES ('file', 0, 9223372036854775807);

-- Who began the last work on the row. Work whose instance has no row above was left behind.
ALTER TABLE sessions ADD COLUMN instance TEXT;
ALTER TABLE payments ADD COLUMN instance TEXT;
ALTER TABLE changes ADD COLUMN instance TEXT;
-- Who asks the platform about an unknown outcome now.
ALTER TABLE payments ADD COLUMN asked_by TEXT;
