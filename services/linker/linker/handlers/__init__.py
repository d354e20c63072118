"""Handlers of Kafka messages: they follow both sides of links, and pause links whose sides are detached.

Each batch and the messages that it enqueues are one transaction. If the service dies before the commit, Kafka delivers
the batch again. If it dies after the commit but before the offset is committed, Kafka delivers it again too: then its
revisions, sequence numbers and ids of reads are known, and nothing changes.
"""

from linker.handlers.connections import ConnectionStateHandler
from linker.handlers.feeds import ChangesHandler, ReadsHandler
from linker.handlers.syncs import SyncStateHandler
from linker.handlers.writes import WritesHandler

__all__ = ["ChangesHandler", "ConnectionStateHandler", "ReadsHandler", "SyncStateHandler", "WritesHandler"]
