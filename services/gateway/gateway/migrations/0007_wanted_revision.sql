-- The revision with which `wanted_sync` was requested: the scheduler knows this sync once it has handled the revision.
ALTER TABLE connections ADD COLUMN wanted_revision bigint NOT NULL DEFAULT 0;
