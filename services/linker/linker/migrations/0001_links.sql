-- The connections of the installation, as the gateway publishes them, and those that were read fully at least once.
CREATE TABLE connections (
    connection text PRIMARY KEY,
    revision bigint NOT NULL,
    epoch integer NOT NULL,
    state text NOT NULL,
    merchant uuid
);
CREATE TABLE full_reads (
    connection text PRIMARY KEY,
    epoch integer NOT NULL
);

CREATE TABLE links (
    id uuid PRIMARY KEY,
    merchant uuid NOT NULL,
    settings jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('reading', 'draft', 'active', 'paused', 'ended')),
    reason text,
    -- Whether the records of both sides were matched since the link was made or resumed.
    is_matched boolean NOT NULL DEFAULT false,
    plan_number bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

-- One of the two connections of a link, and how far its change feed was read. A read of the whole state is under way
-- while read_id is there.
CREATE TABLE sides (
    link uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    side text NOT NULL CHECK (side IN ('shopify', 'odoo')),
    connection text NOT NULL,
    epoch integer NOT NULL,
    has_ended boolean NOT NULL DEFAULT false,
    feed uuid,
    sequence bigint NOT NULL DEFAULT 0,
    is_whole boolean NOT NULL DEFAULT false,
    read_id uuid,
    -- The connected pages of the feed that arrived while the read was under way.
    pages_after bigint,
    pages_through bigint,
    must_read_again boolean NOT NULL DEFAULT false,
    read_at timestamptz NOT NULL DEFAULT now(),
    currency text,
    PRIMARY KEY (link, side)
);
CREATE INDEX ON sides (connection) WHERE NOT has_ended;
-- A shop has one link at most.
CREATE UNIQUE INDEX one_link_of_a_shop ON sides (connection) WHERE side = 'shopify' AND NOT has_ended;
CREATE INDEX ON sides (read_at) WHERE read_id IS NOT NULL;

-- The chunks that have arrived of a body that is too large for one message.
CREATE TABLE chunks (
    link uuid NOT NULL,
    side text NOT NULL,
    topic text NOT NULL,
    number integer NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (link, side, topic, number),
    FOREIGN KEY (link, side) REFERENCES sides ON DELETE CASCADE
);

-- What a link knows of a record of one side, in the form that both sides share.
CREATE TABLE side_records (
    link uuid NOT NULL,
    side text NOT NULL,
    record_id text NOT NULL,
    sequence bigint NOT NULL,
    read_id uuid,
    content jsonb,
    variant_keys jsonb NOT NULL,
    is_in_domain boolean NOT NULL,
    seen_at jsonb NOT NULL,
    updated_at timestamptz,
    read_at bigint NOT NULL,
    -- When the spaces-writer stored the last change (ms).
    changed_at bigint NOT NULL,
    is_matched boolean NOT NULL DEFAULT false,
    PRIMARY KEY (link, side, record_id),
    FOREIGN KEY (link, side) REFERENCES sides ON DELETE CASCADE
);
CREATE INDEX ON side_records (link, changed_at) WHERE NOT is_matched;

-- By which records find each other: `sku:…` and `barcode:…` of all variants.
CREATE TABLE record_keys (
    link uuid NOT NULL,
    side text NOT NULL,
    key text NOT NULL,
    record_id text NOT NULL,
    PRIMARY KEY (link, side, record_id, key),
    FOREIGN KEY (link, side, record_id) REFERENCES side_records ON DELETE CASCADE
);
CREATE INDEX ON record_keys (link, key);

-- One record on each side held to be the same thing; a record without a counterpart has the id of one side alone.
CREATE TABLE pairs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    link uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    resource text NOT NULL CHECK (resource IN ('products', 'variants')),
    product_pair uuid REFERENCES pairs ON DELETE CASCADE,
    shopify_id text,
    odoo_model text,
    odoo_id text,
    state text NOT NULL CHECK (state IN ('linked', 'unlinked', 'conflict', 'held', 'error')),
    reason text,
    name text NOT NULL DEFAULT '',
    -- What the sides last agreed on, as each of them reported it.
    shopify_base jsonb NOT NULL DEFAULT '{}',
    odoo_base jsonb NOT NULL DEFAULT '{}',
    -- Whether the records were archived when that was last acted on; null until it is known.
    shopify_archived boolean,
    odoo_archived boolean,
    plan_number bigint NOT NULL DEFAULT 0,
    is_planned boolean NOT NULL DEFAULT false,
    CHECK (shopify_id IS NOT NULL OR odoo_id IS NOT NULL)
);
CREATE UNIQUE INDEX ON pairs (link, resource, shopify_id);
CREATE UNIQUE INDEX ON pairs (link, resource, odoo_id);
CREATE INDEX ON pairs (product_pair);
CREATE INDEX ON pairs (link, state, reason);
CREATE INDEX ON pairs (link) WHERE NOT is_planned;

-- Records that could not be matched, because a key is missing or not the key of one record alone.
CREATE TABLE match_problems (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    link uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    reason text NOT NULL,
    key text NOT NULL,
    shopify_products text[] NOT NULL,
    odoo_products text[] NOT NULL,
    shopify_variants text[] NOT NULL,
    odoo_variants text[] NOT NULL
);
CREATE INDEX ON match_problems (link, reason);
CREATE INDEX ON match_problems USING gin (shopify_products);
CREATE INDEX ON match_problems USING gin (odoo_products);

-- Each planning that has decided something new, and what it has decided last for each field of a pair.
CREATE TABLE plans (
    link uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    number bigint NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    pairs integer NOT NULL,
    writes integer NOT NULL,
    conflicts integer NOT NULL,
    PRIMARY KEY (link, number)
);
CREATE TABLE plan_lines (
    pair uuid NOT NULL REFERENCES pairs ON DELETE CASCADE,
    link uuid NOT NULL,
    resource text NOT NULL,
    field text NOT NULL,
    field_group text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    target text,
    shopify jsonb,
    odoo jsonb,
    PRIMARY KEY (pair, field)
);
CREATE INDEX ON plan_lines (link, resource, field);

CREATE SEQUENCE link_revisions;

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
