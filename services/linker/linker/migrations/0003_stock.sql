-- Stock is kept as records of its own, found by their variants.
ALTER TABLE side_records ADD COLUMN resource text NOT NULL DEFAULT 'products';
ALTER TABLE side_records ADD COLUMN parent text;
CREATE INDEX ON side_records (link, side, parent) WHERE parent IS NOT NULL;

-- The stock of two variants is a pair of its own: it is planned and written by itself. Its bases are units by location.
ALTER TABLE pairs DROP CONSTRAINT pairs_resource_check;
ALTER TABLE pairs ADD CONSTRAINT pairs_resource_check CHECK (resource IN ('products', 'variants', 'stock'));
-- By location: what the selling side has sold and the counting side does not know of yet.
ALTER TABLE pairs ADD COLUMN unbooked jsonb NOT NULL DEFAULT '{}';
-- What the target gets, where that is not the other side's value: stock changes by differences.
ALTER TABLE plan_lines ADD COLUMN after jsonb;
