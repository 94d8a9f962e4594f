"""Alerts: conditions, messages, the outbox and delivery; channels are in `resources.notifiers`."""
