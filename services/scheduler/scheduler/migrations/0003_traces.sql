-- The span that said it, or had it wait, where traces are exported.
ALTER TABLE outbox ADD COLUMN traceparent text;
ALTER TABLE delayed ADD COLUMN traceparent text;
