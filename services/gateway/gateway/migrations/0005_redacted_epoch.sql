-- The epoch of the latest redaction of the connection; 0 if there was none.
ALTER TABLE connections ADD COLUMN redacted_epoch int NOT NULL DEFAULT 0;
UPDATE connections SET redacted_epoch = epoch WHERE state = 'redacted';
