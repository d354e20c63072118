"""The use cases of the spaces-writer. Each uses the store, the bucket, or the two together."""
