-- The id of the first of the keys that were made in one another's place. Endpoints of the data API belong to all of them.
ALTER TABLE api_keys ADD origin uuid;
UPDATE api_keys SET origin = id;
ALTER TABLE api_keys ALTER origin SET NOT NULL;
