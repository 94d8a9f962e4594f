"""Database of the service: connections, schema, saved scenarios and the log of predictions."""
