"""The library with which services use Kafka: publisher, keyed consumer, dead letters, outbox, topics, tracing."""
