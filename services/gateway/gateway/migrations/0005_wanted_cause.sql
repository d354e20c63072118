-- Why the wanted full sync is wanted.
ALTER TABLE connections ADD COLUMN wanted_cause text NOT NULL DEFAULT 'connect';
