"""The HTTP routes of the simulated Facebook: Graph API, login dialog, HTML pages for users, and control API."""
