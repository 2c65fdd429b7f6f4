"""REST under /api/v1: typed questions in, typed answers out; OpenAPI is generated from the types."""
