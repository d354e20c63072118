"""What the service does, each use case over the store and the bucket."""
