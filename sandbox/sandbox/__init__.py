"""Local stand-ins for the platforms of merchant-sync, for development and tests without accounts at the platforms."""
