CREATE TABLE merchants (
    id uuid PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    id_hash bytea PRIMARY KEY,
    merchant uuid NOT NULL REFERENCES merchants,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE login_states (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    connection text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_states_expires_at ON login_states (expires_at);

-- Tokens are sealed (AES-GCM, key id in front, bound to the connection); times are ms since the epoch.
CREATE TABLE connections (
    name text PRIMARY KEY,
    merchant uuid REFERENCES merchants,
    state text NOT NULL CHECK (state IN ('connected', 'reauthorise', 'uninstalled', 'redacted')),
    epoch integer NOT NULL,
    revision bigint NOT NULL,
    scopes text[] NOT NULL,
    granted_at bigint NOT NULL,
    wanted_sync uuid,
    access_token text,
    access_expires_at bigint,
    refresh_token text,
    refresh_expires_at bigint,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX connections_merchant ON connections (merchant);

-- What the gateway itself contributes to a sync: the assertion of subscriptions, and the webhook test of a first one.
CREATE TABLE self_tests (
    sync_id uuid PRIMARY KEY,
    connection text NOT NULL REFERENCES connections ON DELETE CASCADE,
    webhook_status jsonb,
    webhook_test jsonb,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX self_tests_connection ON self_tests (connection);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    said_at timestamptz NOT NULL DEFAULT now()
);
