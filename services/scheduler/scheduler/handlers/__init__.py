"""Kafka in: what the gateway, the fetchers and the writer say becomes the ledger, and the next request.

Each batch is one transaction with its outbox: killed before the commit, Kafka says it again; killed after it, saying
it again finds terminal states, passed steps and used cursors, and changes nothing. Of a redacted connection nothing is
entered any more.
"""

from scheduler.handlers.connections import ConnectionsHandler
from scheduler.handlers.dead_letters import DeadLettersHandler
from scheduler.handlers.progress import ProgressHandler
from scheduler.handlers.requests import RequestsHandler
from scheduler.handlers.stored import StoredHandler

__all__ = ["ConnectionsHandler", "DeadLettersHandler", "ProgressHandler", "RequestsHandler", "StoredHandler"]
