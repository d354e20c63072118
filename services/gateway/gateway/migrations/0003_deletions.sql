-- Receipts of requests to let go of data. `request` is a hash that every copy of one request shares. Nothing here names
-- a merchant or a person.
CREATE TABLE deletions (
    code text PRIMARY KEY,
    kind text NOT NULL,
    request text UNIQUE,
    connections text[] NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    carried_out_at timestamptz,
    said_again_at timestamptz
);
CREATE INDEX deletions_open ON deletions (asked_at) WHERE said_again_at IS NULL;
