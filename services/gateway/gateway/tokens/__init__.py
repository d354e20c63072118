"""Access tokens: stored encrypted, refreshed, and given to the fetchers."""
