-- Commands to one side of a pair. What was written is in `fields` by field: the value that was expected, and the new one.
CREATE TABLE writes (
    id uuid PRIMARY KEY,
    link uuid NOT NULL REFERENCES links ON DELETE CASCADE,
    pair uuid NOT NULL REFERENCES pairs ON DELETE CASCADE,
    side text NOT NULL CHECK (side IN ('shopify', 'odoo')),
    -- The decision that it carries out: the number of the pair's plan when it was made.
    plan_number bigint NOT NULL,
    operation text NOT NULL,
    fields jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'applied', 'unchanged', 'conflict', 'refused', 'failed', 'cancelled')),
    -- The number of the latest request, and how many attempts have counted against the limit.
    attempt integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    -- Whether nothing was heard of it since it was requested.
    is_silent boolean NOT NULL DEFAULT false,
    -- When it is requested, or requested again.
    due_at timestamptz NOT NULL DEFAULT now(),
    reason_code text,
    message text,
    calls integer NOT NULL DEFAULT 0,
    points integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
-- A pair has one open write to each side at most: what changes meanwhile is planned when it has ended.
CREATE UNIQUE INDEX one_open_write ON writes (pair, side) WHERE state = 'open';
CREATE INDEX ON writes (due_at) WHERE state = 'open';
CREATE INDEX ON writes (link, created_at);
CREATE INDEX ON writes (pair, plan_number);
CREATE INDEX ON writes (ended_at);
CREATE INDEX ON plan_lines (link) WHERE target IS NOT NULL;

-- What was written to a record and read back, until the feed has a newer reading of it (`linker.written_values`).
ALTER TABLE side_records ADD COLUMN written jsonb NOT NULL DEFAULT '{}';
-- The write that the platform has refused, as long as nothing else is decided about the pair.
ALTER TABLE pairs ADD COLUMN failed_write uuid;
-- Decisions up to this number were approved by a person; null until the first draft is. While a draft that was approved is
-- planned once more, is_approving is true, and the numbers of that planning are approved as well.
ALTER TABLE links ADD COLUMN approved_number bigint;
ALTER TABLE links ADD COLUMN is_approving boolean NOT NULL DEFAULT false;
-- What the account has granted, as far as its platform tells.
ALTER TABLE connections ADD COLUMN scopes text[] NOT NULL DEFAULT '{}';
