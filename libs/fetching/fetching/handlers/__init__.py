"""Kafka in: the two lanes of a fetcher. Each does what it is asked, waits for Kafka's word, then says how it went."""

from fetching.handlers.quick import QuickLane
from fetching.handlers.walk import WalkLane

__all__ = ["QuickLane", "WalkLane"]
