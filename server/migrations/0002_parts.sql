-- Payments that are captured later, in parts, or paid back in parts; and every change of a payment as a row of its
-- own, on the disk before the platform hears of it. A CHECK cannot be altered: both tables are written anew.

CREATE TABLE payments_2 (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN (
        'in_flight', 'approved', 'authorized', 'declined', 'unknown', 'failed',
        'capture_in_flight', 'capture_unknown', 'void_in_flight', 'void_unknown', 'voided',
        'refund_in_flight', 'refund_unknown', 'partially_refunded', 'refunded')),
    amount_minor INTEGER NOT NULL,
    captured_minor INTEGER NOT NULL DEFAULT 0,
    refunded_minor INTEGER NOT NULL DEFAULT 0,
    currency TEXT NOT NULL,
    capture_later INTEGER NOT NULL DEFAULT 0,
    network_token INTEGER,            -- null: as configured
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
    looks INTEGER NOT NULL DEFAULT 0, -- how often the platform was asked about an unknown outcome
    look_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO payments_2 (seq, id, platform, status, amount_minor, captured_minor, refunded_minor, currency, token_id,
    session_id, order_reference, description, customer, authorization, platform_payment, brand, bin, last4,
    decline_code, decline_reason, decline_message, created_at, updated_at)
SELECT seq, id, platform, status, amount_minor,
    CASE WHEN status IN ('in_flight', 'declined', 'unknown', 'failed') THEN 0 ELSE amount_minor END,
    CASE WHEN status = 'refunded' THEN amount_minor ELSE 0 END,
    currency, token_id, session_id, order_reference, description, customer, authorization, platform_payment, brand,
    bin, last4, decline_code, decline_reason, decline_message, created_at, updated_at
FROM payments;

CREATE TABLE idempotency_keys_2 (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,        -- of the request's body
    payment_id TEXT NOT NULL REFERENCES payments_2 (id),
    answer_status INTEGER,            -- null while the first request is under way
    answer_body TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT;

INSERT INTO idempotency_keys_2 SELECT scope, key, fingerprint, payment_id, answer_status, answer_body, created_at
FROM idempotency_keys;

DROP TABLE idempotency_keys;
DROP TABLE payments;
-- References of other tables follow.
ALTER TABLE payments_2 RENAME TO payments;
ALTER TABLE idempotency_keys_2 RENAME TO idempotency_keys;

-- A reference that failed before any bank saw it may be used again; any other may not.
CREATE UNIQUE INDEX payments_by_reference ON payments (platform, order_reference) WHERE status <> 'failed';
CREATE INDEX payments_unknown ON payments (look_at) WHERE status = 'unknown';
CREATE INDEX idempotency_keys_by_payment ON idempotency_keys (payment_id);

CREATE TABLE changes (
    id TEXT PRIMARY KEY,              -- the idempotency key at the platform, for every try
    payment_id TEXT NOT NULL REFERENCES payments (id),
    kind TEXT NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
    amount_minor INTEGER NOT NULL,
    whole INTEGER NOT NULL,           -- sent without an amount
    bin TEXT,
    state TEXT NOT NULL CHECK (state IN ('in_flight', 'unknown', 'done', 'failed')),
    before TEXT NOT NULL,             -- the payment's status, for a change that fails
    caller_key TEXT,                  -- what the caller sent as Idempotency-Key
    fingerprint TEXT,
    answer_status INTEGER,
    answer_body TEXT,
    looks INTEGER NOT NULL DEFAULT 0,
    look_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (payment_id, kind, caller_key)
) STRICT;

CREATE INDEX changes_unknown ON changes (look_at) WHERE state = 'unknown';

INSERT INTO changes (id, payment_id, kind, amount_minor, whole, state, before, created_at, updated_at)
SELECT 'chg_' || lower(hex(randomblob(16))), id, CASE WHEN status LIKE 'void%' THEN 'void' ELSE 'refund' END,
    amount_minor, 1, CASE WHEN status LIKE '%in_flight' THEN 'in_flight' ELSE 'unknown' END, 'approved', updated_at,
    updated_at
FROM payments WHERE status IN ('void_in_flight', 'void_unknown', 'refund_in_flight', 'refund_unknown');
