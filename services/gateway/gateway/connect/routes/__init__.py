"""The routes by which accounts are connected, by connection method."""
