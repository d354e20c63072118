"""The resolvers of the fields of the schema. `table` has all of them."""
