"""Alerts: conditions, messages, the outbox and delivery; free of Dagster and of any network."""
