"""Answers given before, kept in the process or in Redis."""
