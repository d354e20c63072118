-- The full sync whose deletions the deletion guard stopped first, how many the latest full sync would have made, and of
-- how many stored records; null without a guard.
ALTER TABLE connections
    ADD COLUMN guarded_sync uuid,
    ADD COLUMN guarded_records int,
    ADD COLUMN guarded_of int;
-- What the deletion guard stopped in this full sync.
ALTER TABLE syncs ADD COLUMN guarded_records int;
