-- What expires, by its time, and what refers to a customer who is to be erased.

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX notifications_by_age ON notifications (received_at);
CREATE INDEX changes_finished ON changes (updated_at) WHERE state IN ('done', 'failed');

CREATE INDEX sessions_by_customer ON sessions (customer) WHERE customer IS NOT NULL;
CREATE INDEX payments_by_customer ON payments (customer) WHERE customer IS NOT NULL;

-- Who submitted a card first, once its session is gone. Without a customer: nobody may submit it again.
CREATE TABLE claims (
    digest BLOB PRIMARY KEY,          -- `claim` of the session
    customer TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_by_customer ON claims (customer) WHERE customer IS NOT NULL;
