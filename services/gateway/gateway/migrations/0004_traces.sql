-- The span that said it, where traces are exported.
ALTER TABLE outbox ADD COLUMN traceparent text;
