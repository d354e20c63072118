"""What the services say to each other: topics, events and their headers. No IO, no policy."""
