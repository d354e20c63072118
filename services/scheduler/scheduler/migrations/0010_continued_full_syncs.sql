ALTER TABLE connections
    -- The latest full sync, if it has succeeded and its source has left a state, and that state. The next full sync may
    -- continue it. Null from the end of one without success, and of the epoch.
    ADD COLUMN previous_sync uuid,
    ADD COLUMN previous_state text;
ALTER TABLE syncs
    -- The same as it was when this full sync began: all of its steps have it. The state only until the sync ends.
    ADD COLUMN previous_sync uuid,
    ADD COLUMN previous_state text;
