"""Webhooks to readers: endpoints, the messages that tell them of changes, and how these are delivered."""
