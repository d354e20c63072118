-- The epoch of the latest full sync whose data the spaces-writer has stored. As in the spaces-writer, `fully_read` follows
-- from it: whether a snapshot may be built. A disconnect raises the epoch, and what was read before it is still uploaded,
-- until the account is connected again.
ALTER TABLE connections ADD COLUMN full_read_epoch int;
UPDATE connections SET full_read_epoch = CASE state WHEN 'uninstalled' THEN epoch - 1 ELSE epoch END WHERE fully_read;
ALTER TABLE connections
    DROP COLUMN fully_read,
    ADD COLUMN fully_read boolean NOT NULL GENERATED ALWAYS AS (
        coalesce(full_read_epoch = CASE state WHEN 'uninstalled' THEN epoch - 1 ELSE epoch END, false)) STORED;
