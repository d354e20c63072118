"""Shopify: what more than one service must know of it."""
