"""A simulated Facebook: a Graph API for pages, the login dialog, webhooks, and the expected document of each page."""
