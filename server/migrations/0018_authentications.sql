-- 3-D Secure before a charge. A row is of one card, one amount and one currency, and is used once.

CREATE TABLE authentications (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    token_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    preference TEXT NOT NULL,
    reference TEXT NOT NULL,          -- ours, which the platform repeats
    status TEXT NOT NULL,
    kept TEXT,                        -- what the gateway needs, the proof of it included; sealed
    step TEXT,                        -- what the page has to do next; sealed
    eci TEXT,
    version TEXT,                     -- of the protocol
    liability_shift INTEGER NOT NULL DEFAULT 0,
    caller_key TEXT,                  -- the hash of the caller's idempotency key
    fingerprint TEXT NOT NULL,        -- of the request with that key; sealed
    payment_id TEXT,                  -- the charge that used it
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE UNIQUE INDEX authentications_by_key ON authentications (caller_key) WHERE caller_key IS NOT NULL;
CREATE UNIQUE INDEX authentications_by_payment ON authentications (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX authentications_by_age ON authentications (expires_at, seq);
