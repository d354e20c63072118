ALTER TABLE connections
    -- The latest full read, if it has succeeded. The next one may continue it if it is of the connection's epoch and its
    -- source has left a state: then what has been changed since it began, but not by what it has listed, has sequence
    -- numbers above the settled one.
    ADD COLUMN last_full_read uuid,
    ADD COLUMN settled_sequence bigint,
    -- The connection's sequence number when the latest full read had listed everything, or when it failed.
    ADD COLUMN listed_sequence bigint NOT NULL DEFAULT 0;
ALTER TABLE full_reads ADD COLUMN listed_sequence bigint;
-- The number of distinct ids that the fetcher has sent in this attempt.
ALTER TABLE id_ranges ADD COLUMN sent_count int NOT NULL DEFAULT 0;
