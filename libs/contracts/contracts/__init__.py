"""The contracts between the services: topics, events and their headers. No I/O and no business logic."""
