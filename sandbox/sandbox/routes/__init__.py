"""What the sandbox answers over HTTP, a module for each audience: apps, merchants, and whoever sets the scene."""
