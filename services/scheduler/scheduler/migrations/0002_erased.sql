-- When the redaction of the connection was carried out (ms); the only thing known of a redacted connection besides its
-- name, epoch, revision and state.
ALTER TABLE connections ADD COLUMN erased_at bigint;
