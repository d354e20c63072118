"""The routes of the merchants' HTML pages and of the pages of the sandbox (the simulated platforms)."""
