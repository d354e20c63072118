"""How the process of a service reads its settings, starts, shows its health and metrics, and stops."""
