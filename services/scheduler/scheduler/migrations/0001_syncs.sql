CREATE TABLE connections (
    connection text PRIMARY KEY,
    revision bigint NOT NULL,
    epoch int NOT NULL,
    state text NOT NULL,
    merchant uuid,
    -- The poll that comes next: its slot of the cron, and when this connection's turn in the spread is.
    poll_slot timestamptz,
    next_poll_at timestamptz,
    upload text,
    upload_change bigint NOT NULL DEFAULT -1
);
CREATE INDEX connections_due ON connections (next_poll_at) WHERE state = 'connected';

CREATE TABLE syncs (
    sync_id uuid PRIMARY KEY,
    connection text NOT NULL,
    epoch int NOT NULL,
    cause text NOT NULL,
    mode text NOT NULL,
    state text NOT NULL DEFAULT 'queued',
    -- The open walk that does this sync's work; it ends as that one ends.
    covered_by uuid,
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
    removed int NOT NULL DEFAULT 0,
    reason text,
    left_out text NOT NULL DEFAULT '{}',
    verdict_change bigint,
    upload text,
    uploaded boolean NOT NULL DEFAULT false,
    -- What was asked for, to ask again: the records by resource.
    asked text,
    -- A walk's place: the step asked for last, and what comes next.
    step int NOT NULL DEFAULT 0,
    cursor text,
    walked boolean NOT NULL DEFAULT false,
    again text[] NOT NULL DEFAULT '{}',
    -- When the walk is to be taken on; null while a step is under way.
    due_at timestamptz
);
CREATE UNIQUE INDEX syncs_one_open_walk ON syncs (connection)
    WHERE mode = 'full' AND covered_by IS NULL AND state IN ('queued', 'running');
CREATE INDEX syncs_by_connection ON syncs (connection, requested_at DESC);
CREATE INDEX syncs_open ON syncs (progressed_at) WHERE state IN ('queued', 'running');
CREATE INDEX syncs_due ON syncs (due_at) WHERE state IN ('queued', 'running') AND due_at IS NOT NULL;
CREATE INDEX syncs_covered ON syncs (covered_by) WHERE covered_by IS NOT NULL;
CREATE INDEX syncs_not_uploaded ON syncs (connection) WHERE state = 'success' AND NOT uploaded;

CREATE TABLE steps (
    sync_id uuid NOT NULL REFERENCES syncs ON DELETE CASCADE,
    step int NOT NULL,
    cursor text,
    asked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sync_id, step)
);

-- Requests that wait: the only delay queue of the system.
CREATE TABLE delayed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection text NOT NULL,
    epoch int NOT NULL,
    not_before timestamptz NOT NULL,
    request text NOT NULL
);
CREATE INDEX delayed_due ON delayed (not_before);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    said_at timestamptz NOT NULL DEFAULT now()
);
