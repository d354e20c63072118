"""The fetcher of Bookshop."""
