"""HTTP routes of the simulated Facebook: the Graph API, the login dialog, the pages for people, and the control API."""
