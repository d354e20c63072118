-- The records that a sync has left out because they could not be read: a JSON object from id to reason.
ALTER TABLE syncs ADD COLUMN left_out text NOT NULL DEFAULT '{}';
