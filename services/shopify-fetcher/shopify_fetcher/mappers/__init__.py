"""Maps Shopify's responses to records. Each resource has a module of its own; `mapped_records` is what they share."""
