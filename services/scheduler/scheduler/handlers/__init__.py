"""Kafka consumers: events of the gateway, the fetchers and the spaces-writer become the ledger and the next requests.

Each batch is one transaction with its outbox. If the service dies before the commit, Kafka delivers the batch again;
if it dies after the commit, the second delivery finds final states, completed steps and used cursors, and changes
nothing. Nothing is stored about a redacted connection any more.
"""

from scheduler.handlers.connections import ConnectionStateHandler
from scheduler.handlers.data_stored import DataStoredHandler
from scheduler.handlers.dead_letters import DeadLettersHandler
from scheduler.handlers.progress import ProgressHandler
from scheduler.handlers.requests import RequestsHandler

__all__ = ["ConnectionStateHandler", "DataStoredHandler", "DeadLettersHandler", "ProgressHandler", "RequestsHandler"]
