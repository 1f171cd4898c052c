-- Encryption at rest. What rows are found by is a blind index once it is sealed, with the sealed value beside it. Nothing
-- is sealed here: a job does that, once there is a key.

ALTER TABLE tokens ADD COLUMN platform_token_sealed TEXT;
ALTER TABLE tokens ADD COLUMN customer_sealed TEXT;
ALTER TABLE sessions ADD COLUMN reference_sealed TEXT;
ALTER TABLE sessions ADD COLUMN customer_sealed TEXT;
ALTER TABLE payments ADD COLUMN customer_sealed TEXT;
ALTER TABLE claims ADD COLUMN customer_sealed TEXT;

-- Whether a session's reference is the platform's token of the card that came of it. Two blind indexes cannot be compared.
ALTER TABLE sessions ADD COLUMN names_card INTEGER NOT NULL DEFAULT 0;

UPDATE sessions SET names_card = 1 WHERE kind = 'tokenize' AND EXISTS
    (SELECT 1 FROM tokens WHERE id = sessions.result_id AND platform_token = sessions.reference);

-- The keys that rows may be sealed with.
CREATE TABLE encryption_keys (
    name TEXT PRIMARY KEY,
    check_value TEXT NOT NULL         -- tells a key from another one of the same name, and nothing else
);
