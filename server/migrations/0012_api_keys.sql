-- API keys beside the one of the configuration. The key itself is not kept.

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,        -- of the whole key, which is random
    scopes TEXT NOT NULL,             -- separated by commas
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    used_at INTEGER                   -- to the hour
);
