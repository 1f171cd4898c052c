-- A platform's token is stored once, and what a page hands over belongs to one session.

ALTER TABLE tokens ADD COLUMN digest TEXT;       -- of the platform's token, once that is wiped
ALTER TABLE tokens ADD COLUMN same_as TEXT REFERENCES tokens (id);

-- Until now the same token could be stored again. The oldest stays. A later one of the same customer is another name
-- of it, as is one of no customer where the platform alone names tokens. One of somebody else may be a stranger's: it
-- is deleted here, and not at the platform.
CREATE INDEX tokens_twice ON tokens (platform, platform_token, seq) WHERE status = 'active';

CREATE TEMPORARY TABLE twice AS
SELECT token.id AS id, CASE WHEN first.customer = token.customer OR (first.customer IS NULL
    AND token.customer IS NULL AND token.platform = 'online_payments') THEN first.id END AS same_as
FROM tokens AS token JOIN tokens AS first ON first.seq = (SELECT min(oldest.seq) FROM tokens AS oldest
    WHERE oldest.platform = token.platform AND oldest.platform_token = token.platform_token
        AND oldest.status = 'active')
WHERE token.status = 'active' AND token.seq > first.seq;

UPDATE tokens SET same_as = (SELECT same_as FROM twice WHERE twice.id = tokens.id), status = 'deleted',
    platform_token = NULL, holder = NULL, nickname = NULL
WHERE id IN (SELECT id FROM twice);

DROP TABLE twice;
DROP INDEX tokens_twice;

CREATE UNIQUE INDEX tokens_by_platform_token ON tokens (platform, platform_token) WHERE status = 'active';
CREATE INDEX tokens_by_digest ON tokens (platform, digest) WHERE digest IS NOT NULL;

ALTER TABLE sessions ADD COLUMN claim TEXT;      -- digest of what identifies the card that was handed over

CREATE INDEX sessions_by_claim ON sessions (platform, claim) WHERE claim IS NOT NULL;

-- References of sessions that store a card are random, or name a payment method: of two with the same, made at once,
-- the one that led to a token keeps it.
UPDATE sessions SET reference = reference || ' ' || id
WHERE kind = 'tokenize' AND id <> (SELECT first.id FROM sessions AS first
    WHERE first.kind = 'tokenize' AND first.platform = sessions.platform AND first.reference = sessions.reference
    ORDER BY first.state <> 'used', first.created_at, first.id LIMIT 1);

CREATE UNIQUE INDEX sessions_to_store ON sessions (platform, reference) WHERE kind = 'tokenize';
