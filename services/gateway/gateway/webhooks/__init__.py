"""Webhooks: receives and verifies deliveries, turns them into sync requests, and manages the subscriptions."""
