"""The interfaces and tools that a platform package (`platforms/<slug>`) is built with."""
