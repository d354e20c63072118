"""How services use Kafka: publishing, consuming by key, dead letters, the outbox, topic provisioning, tracing."""
