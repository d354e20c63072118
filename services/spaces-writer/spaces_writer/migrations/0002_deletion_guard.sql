ALTER TABLE connections
    DROP COLUMN deletions_guarded,
    -- The full sync whose deletions the deletion guard stopped, how many they are, and since when; null without a guard.
    ADD COLUMN guarded_sync uuid,
    ADD COLUMN guarded_candidates int,
    ADD COLUMN guarded_since timestamptz,
    -- The guarded full sync whose deletions an operator has allowed, as the gateway published it last.
    ADD COLUMN allowed_sync uuid;
