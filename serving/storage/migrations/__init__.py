"""Alembic environment; every migration is a file of ``versions``."""
