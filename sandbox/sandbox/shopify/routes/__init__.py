"""The HTTP routes of the stand-in for Shopify: one module for apps, one for merchants, one for tests."""
