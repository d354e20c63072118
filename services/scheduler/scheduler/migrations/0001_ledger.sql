CREATE TABLE connections (
    connection text PRIMARY KEY,
    revision bigint NOT NULL,
    epoch int NOT NULL,
    state text NOT NULL,
    merchant uuid,
    -- The next poll: its slot of the cron, and the moment within the spread at which this connection is polled.
    poll_slot timestamptz,
    next_poll_at timestamptz,
    -- The latest upload as JSON, and the highest sequence number that the stored snapshot includes.
    upload text,
    upload_sequence bigint NOT NULL DEFAULT -1,
    -- When the redaction of the connection was completed (ms). Besides this, only the name, the epoch, the revision and
    -- the state of a redacted connection are stored.
    erased_at bigint
);
CREATE INDEX connections_due ON connections (next_poll_at) WHERE state = 'connected';

CREATE TABLE syncs (
    sync_id uuid PRIMARY KEY,
    connection text NOT NULL,
    epoch int NOT NULL,
    cause text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    -- The open full sync that does this sync's work; both end together.
    coalesced_into uuid,
    requested_at timestamptz NOT NULL,
    started_at timestamptz,
    progressed_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    attempts int NOT NULL DEFAULT 1,
    throttled int NOT NULL DEFAULT 0,
    calls int NOT NULL DEFAULT 0,
    points int NOT NULL DEFAULT 0,
    pages int NOT NULL DEFAULT 0,
    records int NOT NULL DEFAULT 0,
    changed int NOT NULL DEFAULT 0,
    unchanged int NOT NULL DEFAULT 0,
    stale int NOT NULL DEFAULT 0,
    deleted int NOT NULL DEFAULT 0,
    reason text,
    skipped_resources text NOT NULL DEFAULT '{}',
    -- The sequence number of the result: an upload with this number or a higher one contains the sync's data.
    result_sequence bigint,
    upload text,
    uploaded boolean NOT NULL DEFAULT false,
    -- The requested records by resource (JSON), so that they can be requested again.
    requested_records text,
    -- The position of a full sync: the step that was requested last, and where the next one begins.
    step int NOT NULL DEFAULT 0,
    cursor text,
    read_completed boolean NOT NULL DEFAULT false,
    retry_cursors text[] NOT NULL DEFAULT '{}',
    -- When the next step of a full sync is due; null while a step is running.
    due_at timestamptz
);
CREATE UNIQUE INDEX syncs_one_open_full_sync ON syncs (connection)
    WHERE mode = 'full' AND coalesced_into IS NULL AND state IN ('queued', 'running');
CREATE INDEX syncs_by_connection ON syncs (connection, requested_at DESC);
CREATE INDEX syncs_open ON syncs (progressed_at) WHERE state IN ('queued', 'running');
CREATE INDEX syncs_due ON syncs (due_at) WHERE state IN ('queued', 'running') AND due_at IS NOT NULL;
CREATE INDEX syncs_coalesced ON syncs (coalesced_into) WHERE coalesced_into IS NOT NULL;
CREATE INDEX syncs_not_uploaded ON syncs (connection) WHERE state = 'success' AND NOT uploaded;
-- Syncs that finished lately are found without reading the whole ledger.
CREATE INDEX syncs_finished ON syncs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE steps (
    sync_id uuid NOT NULL REFERENCES syncs ON DELETE CASCADE,
    step int NOT NULL,
    cursor text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sync_id, step)
);

-- Requests that wait: the only delay queue of the system.
CREATE TABLE delayed_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection text NOT NULL,
    epoch int NOT NULL,
    not_before timestamptz NOT NULL,
    request text NOT NULL,
    -- The span that delayed the request, where traces are exported.
    traceparent text
);
CREATE INDEX delayed_requests_due ON delayed_requests (not_before);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    -- The span that enqueued the message, where traces are exported.
    traceparent text
);
