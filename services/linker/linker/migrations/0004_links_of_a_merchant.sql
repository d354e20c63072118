-- A merchant's pages show the links of this merchant alone.
CREATE INDEX ON links (merchant) WHERE state <> 'ended';
