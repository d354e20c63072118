"""Webhook deliveries: received, checked, and turned into sync requests; and the subscriptions that they come from."""
