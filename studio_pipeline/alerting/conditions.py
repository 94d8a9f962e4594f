"""Conditions that begin, last and end, among them late months and the daily heartbeat.

| known as | observed   | since last told | then                      |
|----------|------------|-----------------|---------------------------|
| well     | well       |                 | nothing                   |
| well     | failing    |                 | `BEGUN`                   |
| failing  | failing, same sign     | < repeat | nothing              |
| failing  | failing, same sign     | >= repeat | `LASTS`             |
| failing  | failing, another sign  |          | `CHANGED`            |
| failing  | well       |                 | `ENDED`                   |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from studio_pipeline.alerting.configuration import AlertConfig
from studio_pipeline.alerting.messages import Message


class News(StrEnum):
    """What an observation adds to what was told before."""

    NOTHING = "nothing"
    BEGUN = "begun"
    LASTS = "lasts"
    CHANGED = "changed"
    ENDED = "ended"


@dataclass(frozen=True)
class Observation:
    """How one thing was found at one moment.

    Attributes:
        key: what was looked at, such as `check:registered_model:release_is_whole`.
        name: the same for a reader.
        failing: whether it is bad.
        message: what to tell: the failure, or where it was found well again.
        sign: what makes two failures the same; a failure with another sign is told at once.
    """

    key: str
    name: str
    failing: bool
    message: Message
    sign: str = ""


@dataclass(frozen=True)
class OpenCondition:
    """A condition that has begun and has not ended.

    Attributes:
        key: of its observations.
        name: for a reader.
        title: of the message that was told last.
        sign: of the failure that was told last.
        begun_at: of the first observation, aware.
        told_at: of the last message about it, aware.
    """

    key: str
    name: str
    title: str
    sign: str
    begun_at: datetime
    told_at: datetime


def judge(known: OpenCondition | None, seen: Observation, now: datetime, repeat: timedelta) -> News:
    """Which row of the table above holds."""
    if not seen.failing:
        return News.NOTHING if known is None else News.ENDED
    if known is None:
        return News.BEGUN
    if known.sign != seen.sign:
        return News.CHANGED
    return News.LASTS if now - known.told_at >= repeat else News.NOTHING


def told(news: News, known: OpenCondition | None, seen: Observation) -> Message:
    """The message about `news` other than `NOTHING`."""
    message = seen.message
    if news is News.ENDED and known is not None:
        lasted = f"It had been open since {known.begun_at:%Y-%m-%d %H:%M} UTC: {known.title}"
        text = "\n".join(part for part in (lasted, message.text) if part)
        return Message("recovery", f"Well again: {known.name}.", text, message.link)
    if news is News.LASTS and known is not None:
        return replace(message, title=f"Still since {known.begun_at:%Y-%m-%d}: {message.title}")
    return message


def after(news: News, known: OpenCondition | None, seen: Observation, now: datetime) -> OpenCondition | None:
    """The condition once `news` is told; None where it has ended."""
    if news is News.NOTHING:
        return known
    if news is News.ENDED:
        return None
    begun_at = now if known is None else known.begun_at
    return OpenCondition(seen.key, seen.name, seen.message.title, seen.sign, begun_at, now)


def sign_of(text: str) -> str:
    """A text without its numbers, so that a count that moves is not another failure."""
    return re.sub(r"[-+]?\d[\d.,]*", "#", text)


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


def observe_lateness(state: PublishedState, today: date, rules: AlertConfig) -> Observation:
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
