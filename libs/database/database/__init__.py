"""Access of a service to its own Postgres schema: the database URL, the connection pool and the migrations."""
