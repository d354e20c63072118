"""Remote APIs, each in its own words."""
