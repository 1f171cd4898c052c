-- An index for every statement, and none that no statement needs.

-- The answer is stored by its key. This index was a quarter of what a charge wrote.
DROP INDEX idempotency_keys_by_payment;

-- `sessions_to_store` has the sessions that store a card.
DROP INDEX sessions_by_reference;
CREATE INDEX sessions_by_reference ON sessions (platform, reference) WHERE kind <> 'tokenize';

-- How long a session's secret outlives it depends on the first three.
DROP INDEX sessions_kept;
CREATE INDEX sessions_kept ON sessions (platform, kind, mode, expires_at) WHERE kept IS NOT NULL;

CREATE INDEX payments_failed ON payments (platform, order_reference) WHERE status = 'failed';

-- An index ends in the row's number, which is `seq`.
DROP INDEX tokens_by_customer;
CREATE INDEX tokens_by_customer ON tokens (customer) WHERE customer IS NOT NULL;
CREATE INDEX tokens_active ON tokens (platform) WHERE status = 'active';
