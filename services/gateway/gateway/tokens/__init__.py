"""Access tokens: encrypts them for storing, refreshes them, and gives them to fetchers and writers."""
