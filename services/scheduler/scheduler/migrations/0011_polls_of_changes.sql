ALTER TABLE connections
    -- When what has changed is read next, besides the polls that read everything. Null where these are the only ones.
    ADD COLUMN next_changes_at timestamptz;
CREATE INDEX connections_changes_due ON connections (next_changes_at)
    WHERE state = 'connected' AND next_changes_at IS NOT NULL;
