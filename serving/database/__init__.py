"""The service's own tables: saved scenarios and the log of predictions, in SQLite or PostgreSQL."""
