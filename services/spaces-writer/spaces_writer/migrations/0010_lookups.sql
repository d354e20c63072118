-- The keys of the values in a record's lookup fields (`contracts.lookup_keys`), sorted.
ALTER TABLE records ADD COLUMN lookup_keys uuid[] NOT NULL DEFAULT '{}';

-- The records of each key, in the order of their ids. The triggers below keep this table equal to what the records say.
CREATE TABLE lookups (
    connection text NOT NULL,
    key uuid NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (connection, key, id)
);

-- A session plans these statements once, perhaps while the table is still small, so nothing is left to the planner: it must
-- not read the whole table later. With several keys in one statement, PostgreSQL 16 would read all rows of the connection.
CREATE FUNCTION write_lookups() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_seqscan TO off
AS $$
DECLARE removed uuid;
BEGIN
    -- OLD is null where a record is inserted, NEW where it is deleted.
    FOR removed IN SELECT unnest(OLD.lookup_keys) EXCEPT SELECT unnest(NEW.lookup_keys) LOOP
        DELETE FROM lookups WHERE connection = OLD.connection AND key = removed AND id = OLD.id;
    END LOOP;
    INSERT INTO lookups (connection, key, id) SELECT NEW.connection, added.key, NEW.id
        FROM (SELECT unnest(NEW.lookup_keys) EXCEPT SELECT unnest(OLD.lookup_keys)) AS added (key);
    RETURN NULL;
END
$$;
CREATE TRIGGER write_lookups_of_inserted AFTER INSERT ON records
    FOR EACH ROW WHEN (NEW.lookup_keys <> '{}') EXECUTE FUNCTION write_lookups();
CREATE TRIGGER write_lookups_of_updated AFTER UPDATE ON records
    FOR EACH ROW WHEN (NEW.lookup_keys <> OLD.lookup_keys) EXECUTE FUNCTION write_lookups();
CREATE TRIGGER write_lookups_of_deleted AFTER DELETE ON records
    FOR EACH ROW WHEN (OLD.lookup_keys <> '{}') EXECUTE FUNCTION write_lookups();

-- The lookup fields that are stored already. Postgres cannot read a value with the character NUL, and nobody looks for one.
UPDATE records r SET lookup_keys = ARRAY(
    SELECT CAST(left(encode(sha256(
        convert_to(r.resource, 'UTF8') || '\x00'::bytea || convert_to(field.name, 'UTF8') || '\x00'::bytea
        || convert_to(field.value, 'UTF8')), 'hex'), 32) AS uuid) AS key
    FROM json_each_text(CAST(r.lookup_fields AS json)) AS field (name, value) WHERE field.value IS NOT NULL ORDER BY key)
WHERE lookup_fields <> '{}' AND position('\u0000' IN lookup_fields) = 0;

DO $views$
BEGIN
    EXECUTE format('CREATE VIEW %I.lookups AS SELECT connection, key, id FROM lookups', current_schema() || '_published');
END
$views$;
