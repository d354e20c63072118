-- The keys of objects are derived from the connection.
ALTER TABLE connections DROP COLUMN object_key;
ALTER TABLE erasures DROP COLUMN object_key;
