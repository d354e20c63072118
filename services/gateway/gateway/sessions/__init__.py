"""Sessions of browsers: their cookies, and the keys that hash the values of cookies."""
