"""How a service keeps its own schema in Postgres."""
