"""The spaces-writer's tables: SQL statements, and functions that run them in the transaction of the caller."""
