-- Keys for the data API. `hash` is the SHA-256 of a key, which itself is stored nowhere; `prefix` is its visible beginning.
-- All keys of a connection are deleted when its epoch or its merchant changes. `lifetime_seconds` is NULL for a key that
-- does not expire; a key that replaces another one gets its lifetime. `made_by` is the kind of actor; `session`, `address`
-- and `browser` are those of a merchant.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    connection text NOT NULL REFERENCES connections,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    epoch integer NOT NULL,
    merchant uuid NOT NULL,
    lifetime_seconds bigint,
    made_at timestamptz NOT NULL DEFAULT now(),
    made_by text NOT NULL,
    session uuid,
    address text,
    browser text,
    expires_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_connection ON api_keys (connection, made_at);
CREATE INDEX api_keys_expires_at ON api_keys (expires_at) WHERE expires_at IS NOT NULL;

-- Rises with each change of the connection's keys; 0 if it never had any.
ALTER TABLE connections ADD keys_revision bigint NOT NULL DEFAULT 0;
