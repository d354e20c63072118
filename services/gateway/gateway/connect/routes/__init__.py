"""The routes for connecting accounts: one module for each connection method."""
