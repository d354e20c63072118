-- Why the latest reading of a record could not be read, and when it was read (ms): what is stored is outdated. Null for a
-- record whose latest reading is stored. A record that could never be read has a row without a hash, like a tombstone.
ALTER TABLE records ADD COLUMN unreadable text, ADD COLUMN unreadable_at bigint;
CREATE INDEX records_unreadable ON records (connection) WHERE unreadable IS NOT NULL;
