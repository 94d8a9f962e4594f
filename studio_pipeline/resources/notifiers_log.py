"""Alerts as lines of Dagster's log: always on."""

from __future__ import annotations

import logging

import dagster as dg

from studio_pipeline.alerting.messages import Message

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}


class LogNotifier:
    """Writes each message to Dagster's logger, which the daemon and the web UI show."""

    name = "log"

    def send(self, message: Message, number: int) -> None:
        """Write one record; `number` leads it."""
        level = LEVELS.get(message.kind, logging.INFO)
        parts = (f"Alert {number}: {message.title}", message.body)
        dg.get_dagster_logger("alerts").log(level, "\n".join(part for part in parts if part))
