"""The sandbox's Facebook: a Graph API for pages, its consent dialog, its webhooks, and the truth about its pages."""
