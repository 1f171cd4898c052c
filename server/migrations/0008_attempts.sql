-- How many different cards a session has brought to its platform.

ALTER TABLE sessions ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
