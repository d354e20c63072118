CREATE TABLE merchants (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    id_hash bytea PRIMARY KEY,
    merchant uuid NOT NULL REFERENCES merchants,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- The states of authorization requests. `connection` is `<platform>:` alone where only the consent names the accounts.
CREATE TABLE oauth_states (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    connection text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oauth_states_expires_at ON oauth_states (expires_at);

-- Tokens are encrypted (AES-GCM, key id in front, bound to the connection). Times of type bigint are ms since 1970.
-- `granted_by` is the platform's own id of the person who granted access, where the platform reports deletions by
-- person. `wanted_cause` is the cause of the full sync `wanted_sync`.
CREATE TABLE connections (
    name text PRIMARY KEY,
    merchant uuid REFERENCES merchants,
    state text NOT NULL CHECK (state IN ('connected', 'reauthorise', 'uninstalled', 'redacted')),
    epoch integer NOT NULL,
    revision bigint NOT NULL,
    scopes text[] NOT NULL,
    granted_at bigint NOT NULL,
    granted_by text,
    wanted_sync uuid,
    wanted_cause text NOT NULL DEFAULT 'connect',
    access_token text,
    access_expires_at bigint,
    refresh_token text,
    refresh_expires_at bigint,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX connections_merchant ON connections (merchant);
CREATE INDEX connections_granted_by ON connections (granted_by) WHERE granted_by IS NOT NULL;

-- The gateway's own part of a sync: the state of the webhook subscriptions, and the result of the probe at a first sync.
CREATE TABLE webhook_checks (
    sync_id uuid PRIMARY KEY,
    connection text NOT NULL REFERENCES connections ON DELETE CASCADE,
    webhook_status jsonb,
    probe_result jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_checks_connection ON webhook_checks (connection);

-- Requests to disconnect accounts or to delete data. All copies of one request have the same `fingerprint`, a hash.
-- Nothing here names a merchant or a person.
CREATE TABLE deletion_requests (
    code text PRIMARY KEY,
    kind text NOT NULL,
    fingerprint text UNIQUE,
    connections text[] NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    executed_at timestamptz,
    republished_at timestamptz
);
CREATE INDEX deletion_requests_open ON deletion_requests (requested_at) WHERE republished_at IS NULL;

-- `traceparent` is the span that caused the event, where traces are exported.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now()
);
