-- A session holds proofs: each says that its browser has signed in at the account of one connection. The sessions of
-- before belonged to a merchant, which proves nothing about an account, so their browsers sign in again.
DROP TABLE sessions;
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    id_hash bytea NOT NULL UNIQUE,
    address text NOT NULL,
    browser text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE proofs (
    connection text NOT NULL REFERENCES connections,
    session uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    proved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, session)
);
CREATE INDEX proofs_session ON proofs (session);

-- `purpose` is what the login is for: to connect the account, or only to prove it.
ALTER TABLE oauth_states ADD purpose text NOT NULL DEFAULT 'connect';

-- `title` is the account's display name. `readable_until` (ms) is when access ends unless the user consents again.
ALTER TABLE connections ADD title text NOT NULL DEFAULT '';
ALTER TABLE connections ADD readable_until bigint;

-- What merchants, operators and platforms did to a connection. A redaction empties `session`, `address` and `browser`.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    connection text NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    session uuid,
    address text,
    browser text,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_connection ON audit_log (connection, id);
CREATE INDEX audit_log_at ON audit_log (at);
