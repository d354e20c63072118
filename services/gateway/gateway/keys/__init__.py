"""Keys for the data API: making, rotating and revoking them, and telling the data API which ones are good."""
