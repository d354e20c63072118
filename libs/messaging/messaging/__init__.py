"""How we talk to Kafka: publishing with its word, keyed intake, dead letters, the outbox, provisioning."""
