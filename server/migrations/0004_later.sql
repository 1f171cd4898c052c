-- When the money of a session's payment is taken.

ALTER TABLE sessions ADD COLUMN capture_later INTEGER NOT NULL DEFAULT 0;
