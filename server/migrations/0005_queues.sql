-- Unknown payments by platform: each has a queue of its own.

DROP INDEX payments_unknown;
CREATE INDEX payments_unknown ON payments (platform, look_at) WHERE status = 'unknown';
