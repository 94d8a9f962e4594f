"""Alerts: conditions, messages, the outbox and delivery, independent of Dagster and of the network.

The channels themselves (log, e-mail, webhook) are in `resources.notifiers`, the sensors that observe runs
and send messages are in `automation.alerts`.
"""
