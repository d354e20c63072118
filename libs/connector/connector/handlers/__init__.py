"""The two Kafka handlers of a fetcher. Each reads the requested records, publishes them and reports the outcome."""
