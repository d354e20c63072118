"""The two Kafka handlers of a fetcher: one for full syncs, one for incremental syncs.

Each reads the requested records from the platform, publishes them and reports the outcome.
"""
