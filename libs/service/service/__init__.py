"""How a service's process starts, shows its health, and stops."""
