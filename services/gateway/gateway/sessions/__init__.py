"""Sessions of browsers: what they may read and change, their cookies, and the keys that hash the values of cookies."""
