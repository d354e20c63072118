-- The receivers of webhooks, and the messages to them.
--
-- `owner` is whose key has made an endpoint. A process decides whether the owner may still have it only when it knows the
-- connection and its keys at least as they were then, in `connection_revision` and `keys_revision`. `position` is the
-- cursor on the connection's change feed up to which messages are made. The secrets are encrypted. `is_quick` says that the
-- last attempt was delivered without delay. A process that works on an endpoint holds `lease`; `due_at` is when one is to
-- look at it next, and `has_news` says that there were changes since it was last looked at. While `is_held` no new message
-- may be made, because too many are not delivered.
CREATE TABLE endpoints (
    id uuid PRIMARY KEY,
    connection text NOT NULL,
    epoch integer NOT NULL,
    merchant uuid NOT NULL,
    connection_revision bigint NOT NULL,
    owner text NOT NULL,
    keys_revision bigint NOT NULL,
    url text NOT NULL,
    description text NOT NULL,
    resources text[],
    is_full boolean NOT NULL,
    is_ordered boolean NOT NULL,
    secret text NOT NULL,
    former_secret text,
    former_secret_until timestamptz,
    state text NOT NULL CHECK (state IN ('active', 'paused', 'ended')),
    reason text,
    position text NOT NULL,
    failing_since timestamptz,
    is_quick boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL,
    next_message_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    has_news boolean NOT NULL DEFAULT false,
    is_held boolean NOT NULL DEFAULT false,
    lease uuid,
    leased_until timestamptz
);
CREATE INDEX endpoints_connection ON endpoints (connection, id);
CREATE INDEX endpoints_due ON endpoints (is_quick, due_at) WHERE state = 'active';

-- `body` is what is sent, and is deleted when the delivery has ended. A test of an endpoint has no place on the feed.
CREATE TABLE deliveries (
    endpoint uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    type text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'superseded')),
    after_cursor text,
    through_cursor text,
    counts text NOT NULL,
    body bytea,
    attempts integer NOT NULL DEFAULT 0,
    status integer,
    error text,
    made_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (endpoint, number)
);
CREATE INDEX deliveries_pending ON deliveries (endpoint, number) WHERE state = 'pending';
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;
