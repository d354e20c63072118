"""Sessions of browsers: their cookies, and the keys under which the values of cookies are stored."""
