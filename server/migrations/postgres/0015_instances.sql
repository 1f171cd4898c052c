-- Which processes share the database, and who works on what.

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL        -- by the database's clock
);

-- Who began the last work on the row. Work whose instance has no row above was left behind.
ALTER TABLE sessions ADD COLUMN instance TEXT;
ALTER TABLE payments ADD COLUMN instance TEXT;
ALTER TABLE changes ADD COLUMN instance TEXT;
-- Who asks the platform about an unknown outcome now.
ALTER TABLE payments ADD COLUMN asked_by TEXT;
