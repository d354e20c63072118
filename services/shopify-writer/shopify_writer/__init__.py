"""Writes to Shopify shops what links have decided."""
