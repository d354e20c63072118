"""Kafka in: the two handlers of a fetcher. Each reads what is requested, publishes it, and then reports how it went."""

from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler

__all__ = ["FullSyncHandler", "HandlerDependencies", "IncrementalHandler"]
