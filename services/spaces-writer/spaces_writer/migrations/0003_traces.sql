-- The span that said it, where traces are exported.
ALTER TABLE outbox ADD COLUMN traceparent text;

-- Spans that made a snapshot dirty, until one is stored that holds their change. Empty where no traces are exported.
CREATE TABLE causes (
    connection text NOT NULL,
    change bigint NOT NULL,
    traceparent text NOT NULL,
    PRIMARY KEY (connection, change)
);
