"""The JSON Schemas of all events, committed: `python -m contracts.schemas` writes them anew."""
