-- The full sync that has started although the connection's webhook subscriptions could not be ensured, when they are
-- tried again, and how often they could not be ensured. Null and zero when nothing is to be tried again.
ALTER TABLE connections
    ADD COLUMN unsubscribed_sync uuid,
    ADD COLUMN webhooks_due_at timestamptz,
    ADD COLUMN webhook_attempts int NOT NULL DEFAULT 0;
CREATE INDEX connections_webhooks_due ON connections (webhooks_due_at) WHERE webhooks_due_at IS NOT NULL;
