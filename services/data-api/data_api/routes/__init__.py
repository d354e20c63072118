"""The handlers of the operations, and their declarations."""
