-- A sync whose data the spaces-writer has stored is in state `storing` until an upload contains this data: neither open
-- nor final.
DROP INDEX syncs_not_uploaded;
ALTER TABLE syncs
    DROP COLUMN uploaded,
    -- When the spaces-writer had stored the data of the sync.
    ADD COLUMN stored_at timestamptz,
    -- The look at the object in the bucket that a full sync requires; 0 for an incremental sync.
    ADD COLUMN object_check bigint NOT NULL DEFAULT 0;
CREATE INDEX syncs_storing ON syncs (connection) WHERE state = 'storing';
CREATE INDEX syncs_full ON syncs (connection, requested_at DESC) WHERE mode = 'full' AND coalesced_into IS NULL;

-- `upload` is the latest upload that succeeded.
ALTER TABLE connections
    -- The latest look at the object that an upload has reported.
    ADD COLUMN upload_check bigint NOT NULL DEFAULT 0,
    -- The upload that failed since the latest successful one, as JSON.
    ADD COLUMN failed_upload text,
    -- Before this time the pace of uploads allows no further one.
    ADD COLUMN next_upload_at timestamptz,
    -- Whether a full sync has been stored since the account was connected. Nothing is uploaded before.
    ADD COLUMN fully_read boolean NOT NULL DEFAULT false,
    -- The epoch of the latest redaction: an upload of an earlier one contained what is deleted now.
    ADD COLUMN redacted_epoch int NOT NULL DEFAULT 0;
