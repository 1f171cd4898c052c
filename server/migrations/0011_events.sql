-- What the merchant is told: written in the transaction that changes a payment, a stored card or a customer.

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,            -- whose events arrive in order: a payment, a stored card or a customer's digest
    body TEXT NOT NULL,               -- as it is sent
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    attempt_at INTEGER,               -- null: an earlier event of the subject comes first, or it is settled
    problem TEXT,                     -- why the last attempt failed
    created_at INTEGER NOT NULL,
    settled_at INTEGER                -- when it was delivered or given up
);

CREATE INDEX events_due ON events (attempt_at) WHERE attempt_at IS NOT NULL;
CREATE INDEX events_by_subject ON events (subject, seq);
CREATE INDEX events_by_state ON events (state, seq);
CREATE INDEX events_settled ON events (settled_at, seq) WHERE settled_at IS NOT NULL;
