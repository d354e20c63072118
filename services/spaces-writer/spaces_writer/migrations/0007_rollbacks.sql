-- Readings of records with an earlier updated_at than the stored version, taken later: the latest one, and when such a
-- reading was confirmed by an equal one a minute later (ms), and by which read.
CREATE TABLE rollbacks (
    connection text NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    updated_at timestamptz NOT NULL,
    read_at bigint NOT NULL,
    content_hash bytea NOT NULL,
    confirmed_at bigint,
    confirmed_by uuid,
    PRIMARY KEY (connection, resource, id)
);
CREATE INDEX rollbacks_confirmed ON rollbacks (connection, confirmed_by);
