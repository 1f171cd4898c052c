-- Times are milliseconds since 1970. Amounts are minor units. No column ever holds a card number.

CREATE TABLE tokens (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    platform_token TEXT,              -- wiped on deletion
    brand TEXT,
    bin TEXT,
    last4 TEXT,
    expiry_month INTEGER,
    expiry_year INTEGER,
    holder TEXT,
    nickname TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'unconfirmed', 'deleted')),
    customer TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX tokens_by_customer ON tokens (customer, seq);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('tokenize', 'update', 'payment')),
    mode TEXT NOT NULL CHECK (mode IN ('relay', 'direct')),
    reference TEXT NOT NULL,          -- what the platform names again: request id or order reference
    kept TEXT,                        -- the platform's session and token; wiped once used or expired
    customer TEXT,
    token_id TEXT REFERENCES tokens (id),
    amount_minor INTEGER,
    currency TEXT,
    description TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'busy', 'used')),
    body_hash TEXT,                   -- of the ciphertext that was sent last
    result_id TEXT,                   -- the token or payment that came of it
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_reference ON sessions (platform, reference);

CREATE TABLE payments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN (
        'in_flight', 'approved', 'declined', 'unknown', 'failed',
        'void_in_flight', 'void_unknown', 'voided', 'refund_in_flight', 'refund_unknown', 'refunded')),
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    token_id TEXT REFERENCES tokens (id),
    session_id TEXT REFERENCES sessions (id),
    order_reference TEXT NOT NULL,
    description TEXT NOT NULL,
    customer TEXT,
    authorization TEXT,
    platform_payment TEXT,
    brand TEXT,
    bin TEXT,
    last4 TEXT,
    decline_code TEXT,
    decline_reason TEXT,
    decline_message TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- A reference that failed before any bank saw it may be used again; any other may not.
CREATE UNIQUE INDEX payments_by_reference ON payments (platform, order_reference) WHERE status <> 'failed';

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,        -- of the request's body
    payment_id TEXT NOT NULL REFERENCES payments (id),
    answer_status INTEGER,            -- null while the first request is under way
    answer_body TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT;

CREATE INDEX idempotency_keys_by_payment ON idempotency_keys (payment_id);

CREATE TABLE notifications (
    digest TEXT PRIMARY KEY,          -- of the whole body: the same one again is dropped
    platform TEXT NOT NULL,
    route TEXT NOT NULL,
    reference TEXT NOT NULL,
    effect TEXT NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
