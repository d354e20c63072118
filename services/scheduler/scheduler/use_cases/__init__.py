"""The scheduler's use cases. Handlers of messages, periodic tasks and HTTP routes call them."""
