-- The connections whose row or syncs have changed since their state was last published as `sync.changed`. Each statement
-- that changes any adds a row for each connection. Rows are only added and deleted, never updated: otherwise the
-- transactions of the ledger would wait for each other.
CREATE TABLE changed_connections (
    connection text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO changed_connections (connection) SELECT connection FROM connections;

CREATE FUNCTION mark_changed_connections() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO changed_connections (connection) SELECT DISTINCT connection FROM changed;
    RETURN NULL;
END
$$;
CREATE TRIGGER mark_inserted AFTER INSERT ON connections REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_changed_connections();
CREATE TRIGGER mark_updated AFTER UPDATE ON connections REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_changed_connections();
CREATE TRIGGER mark_inserted AFTER INSERT ON syncs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_changed_connections();
CREATE TRIGGER mark_updated AFTER UPDATE ON syncs REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_changed_connections();
CREATE TRIGGER mark_deleted AFTER DELETE ON syncs REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_changed_connections();

-- The revisions of the published states.
CREATE SEQUENCE sync_state_revisions;

-- The syncs of a connection in the order in which its published state has them: null, which comes first, has not ended.
CREATE INDEX syncs_by_end ON syncs (connection, finished_at DESC, requested_at DESC);
CREATE INDEX syncs_not_of_webhooks ON syncs (connection, finished_at DESC, requested_at DESC)
    WHERE mode = 'full' OR cause = 'manual';
