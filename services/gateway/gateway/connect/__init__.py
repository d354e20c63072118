"""Connecting accounts of any platform: one module for each connection method, such as OAuth."""
