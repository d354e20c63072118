"""Kafka in: the two lanes of a fetcher. Each does what it is asked, waits for Kafka's word, then says how it went."""

from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler

__all__ = ["FullSyncHandler", "IncrementalHandler"]
