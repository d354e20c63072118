-- The change feed: each record has the connection's sequence number of its last change, so that the records in the order of
-- these numbers are the feed, and a record is in it once. 0: no reading of the record could ever be read.
ALTER TABLE records
    ADD COLUMN sequence bigint NOT NULL DEFAULT 0,
    -- The sequence number with which the record came into being, or back after it had been deleted.
    ADD COLUMN created_sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN first_seen_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
    -- The read that brought the last change.
    ADD COLUMN changed_by uuid;
WITH numbered AS (
    SELECT r.connection, r.resource, r.id,
        c.sequence + row_number() OVER (PARTITION BY r.connection ORDER BY r.resource, r.id) AS sequence
    FROM records r JOIN connections c USING (connection) WHERE r.read_at > 0
)
UPDATE records r SET sequence = n.sequence, created_sequence = n.sequence FROM numbered n
WHERE r.connection = n.connection AND r.resource = n.resource AND r.id = n.id;
UPDATE connections c SET sequence = m.sequence
FROM (SELECT connection, max(sequence) AS sequence FROM records GROUP BY connection) m
WHERE m.connection = c.connection AND m.sequence > c.sequence;
CREATE UNIQUE INDEX records_by_sequence ON records (connection, sequence) WHERE sequence > 0;

-- The sequence number at which all data of the connection was deleted: nothing of before may be shown any more.
ALTER TABLE connections ADD COLUMN erased_sequence bigint NOT NULL DEFAULT 0;

-- The id of the feed, and the database for which it is good: after a restore or a failover sequence numbers may be used again.
CREATE TABLE feed (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL,
    database text NOT NULL
);
INSERT INTO feed (id, database) VALUES (gen_random_uuid(), '');

-- How far the changes of a connection are published to Kafka, how far there are any, and since when there are some that
-- are not published.
CREATE TABLE feed_positions (
    connection text PRIMARY KEY,
    sequence bigint NOT NULL,
    published bigint NOT NULL DEFAULT 0,
    behind_since timestamptz NOT NULL DEFAULT now()
);
INSERT INTO feed_positions (connection, sequence) SELECT connection, sequence FROM connections;
CREATE INDEX feed_positions_behind ON feed_positions (connection) WHERE published < sequence;

-- Requested reads of the whole state of a connection: the last record that is published, and the sequence number from which
-- the feed continues the read (null: the read has not begun).
CREATE TABLE feed_reads (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    page int NOT NULL DEFAULT 0,
    after_resource text NOT NULL DEFAULT '',
    after_id text NOT NULL DEFAULT '',
    changes_follow bigint,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, read_id)
);

-- When the snapshot that is in the bucket was put there.
ALTER TABLE snapshots ADD COLUMN uploaded_at timestamptz;

-- What readers see: the views of the schema that is named after this one. The role of the data API may read these alone.
DO $views$
DECLARE published text := current_schema() || '_published';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = published) THEN
        EXECUTE format('CREATE SCHEMA %I', published);
    END IF;
    EXECUTE format($view$
        CREATE VIEW %I.records AS
        SELECT r.connection, r.resource, r.id, r.sequence, r.created_sequence, r.content_hash IS NULL AS is_deleted,
            r.updated_at, r.read_at, r.first_seen_at, r.changed_at, r.changed_by, r.content_hash, r.parent, r.sort_key,
            r.lookup_fields, r.volatile_fields, r.unreadable AS outdated, r.body_bytes, b.body
        FROM records r LEFT JOIN bodies b USING (connection, resource, id) WHERE r.sequence > 0
        $view$, published);
    EXECUTE format($view$
        CREATE VIEW %I.changes AS
        SELECT r.connection, r.sequence, r.resource, r.id, r.created_sequence, r.content_hash IS NULL AS is_deleted,
            r.updated_at, r.read_at, r.changed_at, r.changed_by, r.content_hash, r.parent, r.body_bytes, b.body
        FROM records r LEFT JOIN bodies b USING (connection, resource, id) WHERE r.sequence > 0
        $view$, published);
    EXECUTE format($view$
        CREATE VIEW %I.snapshots AS
        SELECT c.connection, c.epoch, f.id AS feed, c.sequence AS head, c.erased_sequence, c.fully_read,
            s.uploaded_sequence, s.sha256, s.bytes, s.records, s.uploaded_at
        FROM connections c CROSS JOIN feed f LEFT JOIN snapshots s USING (connection)
        WHERE c.state <> 'redacted'
        $view$, published);
END
$views$;
