"""Bookshop, the example of a platform. This package has what more than one service needs for it."""
