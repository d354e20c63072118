-- What moves by itself in a record (canonical JSON), and when it was read: no part of the body or its hash.
ALTER TABLE records ADD COLUMN volatile text NOT NULL DEFAULT '{}';
ALTER TABLE records ADD COLUMN volatile_at bigint NOT NULL DEFAULT 0;

-- Redactions whose objects are to be taken out of the bucket, until the second look at them.
CREATE TABLE erasures (
    connection text PRIMARY KEY,
    epoch int NOT NULL,
    object_key text,                -- null: there was none
    merchant uuid,
    erased_at bigint,               -- null: not carried out yet
    due_at timestamptz NOT NULL DEFAULT now()
);
