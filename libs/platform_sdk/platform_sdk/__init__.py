"""What a platform package declares, for the services that load it."""
