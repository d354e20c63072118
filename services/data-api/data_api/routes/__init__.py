"""The operations that the data API serves."""
