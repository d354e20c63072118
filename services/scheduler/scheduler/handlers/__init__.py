"""Handlers of Kafka messages: they update the ledger from the events of other services, and enqueue the next requests.

The ledger is the tables of syncs and connections. Each batch and the messages that it enqueues are one transaction. If
the service dies before the commit, Kafka delivers the batch again. If it dies after the commit but before the offset is
committed, Kafka delivers the batch again too: the handlers find final states, completed steps and used cursors, and
change nothing. After a connection is redacted (its data was requested to be deleted), nothing more is stored about its
syncs.
"""

from scheduler.handlers.connections import ConnectionStateHandler
from scheduler.handlers.data_stored import DataStoredHandler
from scheduler.handlers.dead_letters import DeadLettersHandler
from scheduler.handlers.progress import ProgressHandler
from scheduler.handlers.requests import RequestsHandler

__all__ = ["ConnectionStateHandler", "DataStoredHandler", "DeadLettersHandler", "ProgressHandler", "RequestsHandler"]
