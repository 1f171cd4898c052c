-- Who did what: a row for each call that changes something, and for each command. Rows are added and expire; none changes.

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,              -- the id of an API key, `configuration` or `command`
    operation TEXT NOT NULL,
    object TEXT,                      -- the id of what it was done to, or the digest of a customer's reference
    outcome TEXT NOT NULL,            -- `done`, or the code of the refusal
    status INTEGER,                   -- HTTP
    request_id TEXT
);

CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_object ON audit (object, seq) WHERE object IS NOT NULL;
CREATE INDEX audit_by_age ON audit (at, seq);
