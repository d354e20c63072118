"""The linker's internal HTTP API: it makes, shows, pauses and ends links."""
