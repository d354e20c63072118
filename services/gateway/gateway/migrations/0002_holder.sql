-- The platform's own id of the person who granted, where it lets go of accounts by person.
ALTER TABLE connections ADD COLUMN holder text;
CREATE INDEX connections_holder ON connections (holder) WHERE holder IS NOT NULL;
