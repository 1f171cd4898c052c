-- What the server checks while it runs: whether it can write, what it was doing, which secrets have outlived their use.

CREATE TABLE health (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    probed_at INTEGER NOT NULL        -- written to see whether writing works
) STRICT;

INSERT INTO health (id, probed_at) VALUES (1, 0);

-- A query uses one of these only if it has the same condition, word for word.
CREATE INDEX payments_in_flight ON payments (id)
    WHERE status IN ('in_flight', 'capture_in_flight', 'void_in_flight', 'refund_in_flight');
CREATE INDEX payments_by_session ON payments (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX changes_in_flight ON changes (payment_id) WHERE state = 'in_flight';
CREATE INDEX sessions_busy ON sessions (id) WHERE state = 'busy';
CREATE INDEX sessions_kept ON sessions (expires_at) WHERE kept IS NOT NULL;
