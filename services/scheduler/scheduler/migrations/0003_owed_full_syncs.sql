-- Why the platform refuses every call about the account (null: it does not), since when, and how many calls in a row
-- it has refused since then.
ALTER TABLE connections
    ADD COLUMN blocked text,
    ADD COLUMN blocked_since timestamptz,
    ADD COLUMN refused_probes int NOT NULL DEFAULT 0;
CREATE INDEX connections_blocked ON connections (blocked_since) WHERE blocked IS NOT NULL;
-- Behind a running full sync another one may wait, which reads what the running one may have read too early.
DROP INDEX syncs_one_open_full_sync;
CREATE UNIQUE INDEX syncs_one_full_sync_by_state ON syncs (connection, state)
    WHERE mode = 'full' AND coalesced_into IS NULL AND state IN ('queued', 'running');
