"""The routes of the merchants' HTML pages and of the sandbox's pages."""
