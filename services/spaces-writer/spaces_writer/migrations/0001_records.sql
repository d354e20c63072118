CREATE TABLE connections (
    connection text PRIMARY KEY,
    revision bigint NOT NULL,
    epoch int NOT NULL,
    state text NOT NULL,
    merchant uuid,
    object_key text,
    -- Raised by every batch that changes what the snapshot shows.
    change bigint NOT NULL DEFAULT 0,
    -- Whether a full sync of this epoch has had its verdict: before it nothing is composed.
    complete boolean NOT NULL DEFAULT false,
    last_source uuid,
    -- Whether the last walk nominated too many: the next one that does is believed.
    braked boolean NOT NULL DEFAULT false,
    -- Raised when the stored object is to be compared with what was uploaded.
    checks bigint NOT NULL DEFAULT 0
);
CREATE INDEX connections_by_merchant ON connections (merchant);

-- The index of all records: version and hash. Bodies lie apart, so that a moved version rewrites none.
CREATE TABLE records (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    updated_at timestamptz,
    read_at bigint NOT NULL,
    hash bytea,                     -- null: proven gone (a tombstone)
    bytes int NOT NULL DEFAULT 0,   -- of its body
    rank numeric NOT NULL,
    parent text,
    facts text NOT NULL DEFAULT '{}',
    PRIMARY KEY (connection, resource, id)
) WITH (fillfactor = 80);
CREATE INDEX records_by_parent ON records (connection, parent) WHERE parent IS NOT NULL;
CREATE INDEX records_by_rank ON records (connection, resource, rank) WHERE hash IS NOT NULL;

CREATE TABLE bodies (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (connection, resource, id)
);
ALTER TABLE bodies ALTER COLUMN body SET STORAGE EXTERNAL;

-- Pieces of records that came in parts, until their chain is whole.
CREATE TABLE parts (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    chain text NOT NULL,
    start_cursor text NOT NULL,     -- '' on the first piece
    piece bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, resource, id, chain, start_cursor)
);

-- What each page listed, for the verdict and the totals only.
CREATE TABLE listings (
    connection text NOT NULL,
    source uuid NOT NULL,
    resource text NOT NULL,
    "window" int NOT NULL,
    attempt int NOT NULL,
    step int NOT NULL,
    page int NOT NULL,
    ids text[] NOT NULL,
    records int NOT NULL,
    changed int NOT NULL,
    unchanged int NOT NULL,
    stale int NOT NULL,
    removed int NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, source, resource, "window", attempt, step, page)
);

CREATE TABLE windows (
    connection text NOT NULL,
    source uuid NOT NULL,
    resource text NOT NULL,
    "window" int NOT NULL,
    attempt int NOT NULL,
    good boolean NOT NULL,
    reason text,
    again text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, source, resource, "window", attempt)
);

CREATE TABLE walks (
    connection text NOT NULL,
    source uuid NOT NULL,
    marker text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, source)
);

-- Final verdicts, kept so that a marker that comes again is answered with the same words.
CREATE TABLE verdicts (
    connection text NOT NULL,
    source uuid NOT NULL,
    verdict text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, source)
);

CREATE TABLE snapshots (
    connection text PRIMARY KEY,
    composed_change bigint NOT NULL DEFAULT -1,
    sha256 text,
    bytes bigint NOT NULL DEFAULT 0,
    records int NOT NULL DEFAULT 0,
    checked bigint NOT NULL DEFAULT 0,
    tokens double precision NOT NULL DEFAULT 3,
    refilled_at double precision NOT NULL DEFAULT 0,
    duration double precision NOT NULL DEFAULT 0,
    failures int NOT NULL DEFAULT 0,
    not_before double precision NOT NULL DEFAULT 0
);

CREATE TABLE merchants (
    merchant uuid PRIMARY KEY,
    -- Raised whenever the document may differ; `put` is the number whose document is in the bucket.
    dirty bigint NOT NULL DEFAULT 1,
    put bigint NOT NULL DEFAULT 0,
    sha256 text
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    said_at timestamptz NOT NULL DEFAULT now()
);
