"""Configuration of alerts: lateness, repetition and heartbeat.

Channels and their addresses are settings (`settings`), not configuration.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AlertConfig(BaseModel):
    """Configuration of alerts that depend on the calendar."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    late_after_days: int = Field(
        10,
        ge=0,
        le=366,
        description="Data are late where a month is not published so many days after its end.",
    )
    repeat_after_hours: int = Field(
        24,
        ge=24,
        le=8760,
        description="Hours after which an alert that lasts is sent again, at the earliest.",
    )
    heartbeat_hour: int = Field(7, ge=0, le=23, description="Hour of the daily heartbeat, UTC.")
