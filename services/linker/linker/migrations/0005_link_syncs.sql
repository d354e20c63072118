-- The ledger of link syncs: requests to catch up, until seven days after they have ended.
CREATE TABLE link_syncs (
    id uuid PRIMARY KEY,
    link uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    mode text NOT NULL,
    -- The products of the sync, sorted; empty where it is about all.
    ids text[] NOT NULL DEFAULT '{}',
    cause text NOT NULL CHECK (cause IN ('manual', 'health')),
    state text NOT NULL CHECK (state IN ('draft', 'queued', 'running', 'success', 'failed', 'cancelled')),
    reason_code text,
    message text,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    -- Once both sides are read and planned: decisions up to this number are the sync's.
    plan_number bigint,
    figures jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX one_queued_link_sync ON link_syncs (link, mode, ids) WHERE state = 'queued';
-- One at a time for each link.
CREATE UNIQUE INDEX one_running_link_sync ON link_syncs (link) WHERE state IN ('draft', 'running');
CREATE INDEX ON link_syncs (link, requested_at);
CREATE INDEX ON link_syncs (finished_at);
CREATE INDEX ON link_syncs (requested_at) WHERE state IN ('draft', 'queued', 'running');

-- What a link sync has read at a platform: the connection's sync, once the gateway has said its id.
CREATE TABLE link_sync_reads (
    link_sync uuid NOT NULL REFERENCES link_syncs ON DELETE CASCADE,
    connection text NOT NULL,
    sync_id uuid,
    PRIMARY KEY (link_sync, connection)
);
CREATE INDEX ON link_sync_reads (connection);

-- The syncs that the scheduler says have ended, of connections that a running link sync reads.
CREATE TABLE ended_syncs (
    connection text NOT NULL,
    sync_id uuid NOT NULL,
    state text NOT NULL,
    sequence bigint,
    reason text,
    PRIMARY KEY (connection, sync_id)
);
