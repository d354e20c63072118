"""Kafka in: the two handlers of a fetcher. Each reads what is requested, publishes it, and then reports how it went."""
