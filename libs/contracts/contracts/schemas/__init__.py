"""The committed JSON Schemas of all events. `python -m contracts.schemas` writes them."""
