"""The scopes that a link needs of a shop, beside those of `SHOPIFY_SCOPES`."""

WRITE_PRODUCTS, READ_INVENTORY = "write_products", "read_inventory"
WRITE_INVENTORY, READ_LOCATIONS = "write_inventory", "read_locations"
LINK_SCOPES = (WRITE_PRODUCTS, READ_INVENTORY)
"""Products are written with their variants, and the costs of variants are read. Costs and weights are written with
their variant and need no scope of their own."""
STOCK_SCOPES = (WRITE_INVENTORY, READ_LOCATIONS)
"""What a link that keeps stock in step needs beside `LINK_SCOPES`."""
