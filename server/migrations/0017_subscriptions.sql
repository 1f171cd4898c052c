-- Subscriptions: a stored card that the platform charges every so many months by itself. Their payments are payments.

CREATE TABLE subscriptions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,          -- the platform lists the subscription under it, too
    platform TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN (
        'in_flight', 'unknown', 'failed', 'pending', 'active', 'not_paid', 'on_hold', 'cancelled')),
    token_id TEXT NOT NULL REFERENCES tokens (id),
    customer TEXT,
    customer_sealed TEXT,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    description TEXT NOT NULL,
    months INTEGER NOT NULL,          -- between two payments
    starts_at INTEGER,
    ends_at INTEGER,
    next_payment TEXT,                -- a day, as the platform says
    platform_subscription TEXT,       -- the platform's own id
    version INTEGER NOT NULL DEFAULT 0, -- rises with each change, so that an older list of the platform is not applied
    caller_key TEXT UNIQUE,           -- what the caller sent as Idempotency-Key
    fingerprint TEXT,
    answer_status INTEGER,            -- of a request that the platform refused
    answer_body TEXT,
    looks INTEGER NOT NULL DEFAULT 0, -- how often the platform was asked since something changed
    look_at INTEGER,           -- null: it is being made, or it is over
    instance TEXT,                    -- who makes it
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE UNIQUE INDEX subscriptions_by_platform ON subscriptions (platform, platform_subscription)
    WHERE platform_subscription IS NOT NULL;
CREATE INDEX subscriptions_by_customer ON subscriptions (customer, seq) WHERE customer IS NOT NULL;
CREATE INDEX subscriptions_by_status ON subscriptions (status, seq);
CREATE INDEX subscriptions_due ON subscriptions (look_at) WHERE look_at IS NOT NULL;

ALTER TABLE payments ADD COLUMN subscription_id TEXT REFERENCES subscriptions (id);
-- How many attempts of it the platform has listed as declined.
ALTER TABLE payments ADD COLUMN declines INTEGER NOT NULL DEFAULT 0;

CREATE INDEX payments_by_subscription ON payments (subscription_id, seq) WHERE subscription_id IS NOT NULL;
-- One is asked for at a time, so there are few: what the platform then lists as new is that one.
CREATE INDEX payments_open_of_subscription ON payments (subscription_id)
    WHERE subscription_id IS NOT NULL AND status IN ('in_flight', 'unknown');
