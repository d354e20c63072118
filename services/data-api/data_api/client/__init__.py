"""The remote APIs that this service calls: the bucket and the gateway."""
