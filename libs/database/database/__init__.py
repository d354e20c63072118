"""How a service uses its own schema in Postgres: its URL, its connection pool and its migrations."""
