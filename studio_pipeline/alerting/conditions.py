"""Alert conditions that begin, last and end, the messages that report them, and those on the calendar.

An observation of a condition leads to a message by this table; `repeat` is the configured interval.

| state of the condition | observation | since the last message | news |
|------------------------|-------------|------------------------|------|
| closed | well | | nothing |
| closed | failing | | `BEGUN` |
| open | failing, same sign | < repeat | nothing |
| open | failing, same sign | >= repeat | `LASTS` |
| open | failing, another sign | | `CHANGED` |
| open | well | | `ENDED` |

Observations on runs are in `run_observations`; open conditions are stored in `outbox`.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["error", "warning", "recovery", "heartbeat"]

LONGEST_TITLE = 200
LONGEST_TEXT = 3000
"""Characters; the longest text that all channels accept without cutting it themselves."""


@dataclass(frozen=True)
class Message:
    """One message to send."""

    kind: Kind  # severity; `recovery` ends a failure, `heartbeat` is the daily sign of operation
    title: str  # one sentence on one line, cut to 200 characters
    text: str = ""  # what happened, where and what to do, cut to 3,000 characters; may be empty
    link: str = ""  # a URL of the run, or empty

    def __post_init__(self) -> None:
        """Cut title and text to their largest lengths."""
        object.__setattr__(self, "title", shortened(" ".join(self.title.split()), LONGEST_TITLE))
        object.__setattr__(self, "text", shortened(self.text, LONGEST_TEXT))

    @property
    def body(self) -> str:
        """Text and link, one below the other."""
        return "\n".join(part for part in (self.text, self.link) if part)

    def to_json(self) -> str:
        """The message as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(content: str) -> Message:
        """The inverse of `to_json`."""
        return Message(**json.loads(content))


def shortened(text: str, longest: int) -> str:
    """The text, cut to `longest` characters with an ellipsis if it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


class News(StrEnum):
    """Change of a condition by an observation."""

    NOTHING = "nothing"
    BEGUN = "begun"
    LASTS = "lasts"
    CHANGED = "changed"
    ENDED = "ended"


@dataclass(frozen=True)
class Observation:
    """State of one condition at one moment, with the message on its failure or recovery."""

    key: str  # of the condition, such as `check:registered_model:release_is_whole`
    name: str
    failing: bool
    message: Message
    sign: str = ""  # identifies the failure; a failure with another sign is sent at once


@dataclass(frozen=True)
class OpenCondition:
    """A condition that has begun and has not ended."""

    key: str
    name: str
    title: str  # of the last message about it, as the sign
    sign: str
    begun_at: datetime  # time of the first failing observation, aware
    told_at: datetime  # time of the last message about it, aware


def judge(known: OpenCondition | None, seen: Observation, now: datetime, repeat: timedelta) -> News:
    """The news of an observation, by the table of the module; `known` is the condition if it is open."""
    if not seen.failing:
        return News.NOTHING if known is None else News.ENDED
    if known is None:
        return News.BEGUN
    if known.sign != seen.sign:
        return News.CHANGED
    return News.LASTS if now - known.told_at >= repeat else News.NOTHING


def message_of(news: News, known: OpenCondition | None, seen: Observation) -> Message:
    """The message on any news but `NOTHING`."""
    message = seen.message
    if news is News.ENDED and known is not None:
        lasted = f"It had been open since {known.begun_at:%Y-%m-%d %H:%M} UTC: {known.title}"
        text = "\n".join(part for part in (lasted, message.text) if part)
        return Message("recovery", f"Well again: {known.name}.", text, message.link)
    if news is News.LASTS and known is not None:
        return replace(message, title=f"Still since {known.begun_at:%Y-%m-%d}: {message.title}")
    return message


def after(news: News, known: OpenCondition | None, seen: Observation, now: datetime) -> OpenCondition | None:
    """The condition after its message was written; None if it has ended."""
    if news is News.NOTHING:
        return known
    if news is News.ENDED:
        return None
    begun_at = now if known is None else known.begun_at
    return OpenCondition(seen.key, seen.name, seen.message.title, seen.sign, begun_at, now)


def sign_of(text: str) -> str:
    """A text without its numbers, so that a changed count is not another failure."""
    return re.sub(r"[-+]?\d[\d.,]*", "#", text)


class AlertConfig(BaseModel):
    """Configuration of alerts that depend on the calendar; channels and their addresses are settings."""

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


@dataclass(frozen=True)
class PublishedState:
    """The published release, with the first day of its last month, and its time, aware."""

    version: int
    model_version: str
    last_month: date
    published_at: datetime


def expected_month(today: date, late_after_days: int) -> date:
    """First day of the newest month that should be published by `today`."""
    newest_end = today - timedelta(days=late_after_days)
    return (newest_end.replace(day=1) - timedelta(days=1)).replace(day=1)


def observe_lateness(state: PublishedState, today: date, rules: AlertConfig) -> Observation:
    """Observe whether the newest published month is older than expected by `today`."""
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
    return Observation("late:data", "arrival of data", failing, message, sign=f"{expected:%Y-%m}")


def is_heartbeat_due(last: date | None, now: datetime, hour: int) -> bool:
    """Check whether today's heartbeat (due from an hour on, UTC) is still to be sent; missed days are not."""
    return now.hour >= hour and (last is None or last < now.date())


def heartbeat(state: PublishedState | None, last_run: str, open_titles: list[str], link: str) -> Message:
    """The daily heartbeat message. Its absence means that the daemon, the machine or the channel is down."""
    count = len(open_titles)
    verdict = "all well" if not count else f"{count} open alert{'s' if count > 1 else ''}"
    release = "Nothing is published yet."
    if state is not None:
        data = f"from data to {state.last_month:%Y-%m}, published {state.published_at:%Y-%m-%d %H:%M} UTC."
        release = f"Release {state.version}, model {state.model_version}, {data}"
    alerts = ["Open alerts:", *(f"- {title}" for title in open_titles)] if count else ["Open alerts: none."]
    return Message("heartbeat", f"Daily heartbeat: {verdict}.", "\n".join([release, last_run, *alerts]), link)
