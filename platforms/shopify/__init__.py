"""Shopify: the code that several services share."""
