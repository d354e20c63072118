"""The HTTP routes of the simulated Shopify: for apps, for merchants and for tests."""
