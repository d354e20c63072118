-- What ended lately is looked up without reading the whole ledger.
CREATE INDEX syncs_ended ON syncs (finished_at) WHERE finished_at IS NOT NULL;
