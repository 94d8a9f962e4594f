"""What hangs on the calendar: months that are late, and the daily heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from studio_pipeline.alerting.alert_configuration import AlertRules
from studio_pipeline.alerting.conditions import Observation
from studio_pipeline.alerting.messages import Message

LATE_DATA = "late:data"


@dataclass(frozen=True)
class PublishedState:
    """What is published, as far as alerts tell it.

    Attributes:
        version: of the release.
        model_version: of its model.
        last_month: first day of its last month.
        published_at: aware.
    """

    version: int
    model_version: str
    last_month: date
    published_at: datetime


def expected_month(today: date, late_after_days: int) -> date:
    """First day of the newest month that should be published by `today`."""
    newest_end = today - timedelta(days=late_after_days)
    return (newest_end.replace(day=1) - timedelta(days=1)).replace(day=1)


def observe_lateness(state: PublishedState, today: date, rules: AlertRules) -> Observation:
    """Whether the newest published month is older than it should be by `today`."""
    expected = expected_month(today, rules.late_after_days)
    failing = state.last_month < expected
    text = f"The release's last month is {state.last_month:%Y-%m}."
    if failing:
        text += (
            f" {expected:%Y-%m} should have been there {rules.late_after_days} days after its end."
            " Put the file into the landing folder, or look for the run that refused it."
        )
    title = f"The data are late: {expected:%Y-%m} is not published." if failing else "The data are in time."
    message = Message("warning" if failing else "recovery", title, text)
    return Observation(LATE_DATA, "arrival of data", failing, message, sign=f"{expected:%Y-%m}")


def is_heartbeat_due(last: date | None, now: datetime, hour: int) -> bool:
    """Whether today's heartbeat is still to be sent; days that were missed stay missed.

    Args:
        last: day (UTC) of the last heartbeat, None before the first.
        now: in UTC.
        hour: from which it is due, UTC.
    """
    return now.hour >= hour and (last is None or last < now.date())


def heartbeat(state: PublishedState | None, last_run: str, open_titles: list[str], link: str) -> Message:
    """The daily sign of life. Its absence says that the daemon, the machine or the channel is gone."""
    count = len(open_titles)
    verdict = "all well" if not count else f"{count} open alert{'s' if count > 1 else ''}"
    release = "Nothing is published yet."
    if state is not None:
        release = (
            f"Release {state.version}, model {state.model_version}, from data to {state.last_month:%Y-%m},"
            f" published {state.published_at:%Y-%m-%d %H:%M} UTC."
        )
    alerts = ["Open alerts:", *(f"- {title}" for title in open_titles)] if count else ["Open alerts: none."]
    return Message("heartbeat", f"Daily heartbeat: {verdict}.", "\n".join([release, last_run, *alerts]), link)
