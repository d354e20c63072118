"""Bookshop, the example of a platform: what more than one service must know of it."""
