CREATE TABLE connections (
    connection text PRIMARY KEY,
    revision bigint NOT NULL,
    epoch int NOT NULL,
    state text NOT NULL,
    merchant uuid,
    object_key text,
    -- Raised by every batch that changes what the snapshot shows.
    sequence bigint NOT NULL DEFAULT 0,
    -- Whether a full sync of this epoch has succeeded. No snapshot is built before.
    fully_read boolean NOT NULL DEFAULT false,
    last_sync_id uuid,
    -- Whether the deletion guard stopped the last full read: the next one that finds as many candidates is trusted.
    deletions_guarded boolean NOT NULL DEFAULT false,
    -- Raised when the stored object is to be compared with what was uploaded.
    requested_checks bigint NOT NULL DEFAULT 0
);
CREATE INDEX connections_by_merchant ON connections (merchant);

-- The index of all records: version and hash. Bodies are stored apart, so that a new version alone rewrites no body.
CREATE TABLE records (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    updated_at timestamptz,
    read_at bigint NOT NULL,
    content_hash bytea,                 -- null: the record is known to be gone (a tombstone)
    body_bytes int NOT NULL DEFAULT 0,
    sort_key numeric NOT NULL,
    parent text,
    lookup_fields text NOT NULL DEFAULT '{}',
    -- Canonical JSON, and when it was read. Neither part of the body nor of its hash.
    volatile_fields text NOT NULL DEFAULT '{}',
    volatile_read_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (connection, resource, id)
) WITH (fillfactor = 80);
CREATE INDEX records_by_parent ON records (connection, parent) WHERE parent IS NOT NULL;
CREATE INDEX records_by_sort_key ON records (connection, resource, sort_key) WHERE content_hash IS NOT NULL;

CREATE TABLE bodies (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (connection, resource, id)
);
ALTER TABLE bodies ALTER COLUMN body SET STORAGE EXTERNAL;

-- Chunks of chunked records, until all chunks of a reading are here.
CREATE TABLE chunks (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    reading_id text NOT NULL,
    chunk_cursor text NOT NULL,         -- '' for the first chunk
    chunk bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, resource, id, reading_id, chunk_cursor)
);

-- The ids and dispositions of each page, for completeness checks and totals only.
CREATE TABLE pages (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    resource text NOT NULL,
    id_range int NOT NULL,
    attempt int NOT NULL,
    step int NOT NULL,
    page int NOT NULL,
    ids text[] NOT NULL,
    records int NOT NULL,
    changed int NOT NULL,
    unchanged int NOT NULL,
    stale int NOT NULL,
    deleted int NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, read_id, resource, id_range, attempt, step, page)
);

CREATE TABLE id_ranges (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    resource text NOT NULL,
    id_range int NOT NULL,
    attempt int NOT NULL,
    is_complete boolean NOT NULL,
    reason text,
    retry_cursor text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, read_id, resource, id_range, attempt)
);

CREATE TABLE full_reads (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    event text NOT NULL,                -- the FullReadCompleted event as JSON
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, read_id)
);

-- Final results, kept so that an event that is delivered again gets the same result.
CREATE TABLE sync_results (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    result text NOT NULL,               -- the SyncResult as JSON
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, read_id)
);

-- The row of a snapshot is locked while it is built and uploaded; ingestion never touches it.
CREATE TABLE snapshots (
    connection text PRIMARY KEY,
    -- The connection's sequence number that the uploaded bytes contain.
    uploaded_sequence bigint NOT NULL DEFAULT -1,
    sha256 text,
    bytes bigint NOT NULL DEFAULT 0,
    records int NOT NULL DEFAULT 0,
    -- The value of connections.requested_checks up to which the stored object has been compared.
    completed_checks bigint NOT NULL DEFAULT 0,
    tokens double precision NOT NULL DEFAULT 3,
    refilled_at double precision NOT NULL DEFAULT 0,
    build_seconds double precision NOT NULL DEFAULT 0,
    failures int NOT NULL DEFAULT 0,
    not_before double precision NOT NULL DEFAULT 0
);

CREATE TABLE merchants (
    merchant uuid PRIMARY KEY,
    -- Raised whenever the document may differ; `uploaded_version` is the one whose document is in the bucket.
    version bigint NOT NULL DEFAULT 1,
    uploaded_version bigint NOT NULL DEFAULT 0,
    sha256 text
);

-- Redactions whose objects are to be deleted from the bucket, until the second deletion.
CREATE TABLE erasures (
    connection text PRIMARY KEY,
    epoch int NOT NULL,
    object_key text,                    -- null: there was no object
    merchant uuid,
    erased_at bigint,                   -- null: the object has not been deleted yet
    due_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    -- The span that enqueued it, where traces are exported.
    traceparent text,
    enqueued_at timestamptz NOT NULL DEFAULT now()
);

-- Spans that changed a snapshot, until an upload contains their change. Empty where no traces are exported.
CREATE TABLE trace_links (
    connection text NOT NULL,
    sequence bigint NOT NULL,
    traceparent text NOT NULL,
    PRIMARY KEY (connection, sequence)
);
