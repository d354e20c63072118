-- The receivers of webhooks, and the messages to them.
--
-- `owner` is whose key has made an endpoint; `feed` and `sequence` are the position on the connection's change feed up to
-- which messages are made. The secrets are encrypted. A process that works on an endpoint holds `lease`; `due_at` is when
-- one is to look at it next, and `has_news` says that there were changes since it was last looked at. While `is_held` no
-- new message may be made, because too many are not delivered.
CREATE TABLE endpoints (
    id uuid PRIMARY KEY,
    connection text NOT NULL,
    epoch integer NOT NULL,
    merchant uuid NOT NULL,
    owner text NOT NULL,
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
    feed uuid NOT NULL,
    sequence bigint NOT NULL,
    failing_since timestamptz,
    made_at timestamptz NOT NULL,
    next_message_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    has_news boolean NOT NULL DEFAULT false,
    is_held boolean NOT NULL DEFAULT false,
    lease uuid,
    leased_until timestamptz
);
CREATE INDEX endpoints_connection ON endpoints (connection, id);
CREATE INDEX endpoints_due ON endpoints ((failing_since IS NULL), due_at) WHERE state = 'active';

-- `body` is what is sent, and is deleted when the delivery has ended. A test of an endpoint has no place on the feed.
CREATE TABLE deliveries (
    endpoint uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    number bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    type text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed', 'superseded')),
    feed uuid,
    after_sequence bigint,
    through_sequence bigint,
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
