"""Conditions that begin, last and end: which observation is worth a message.

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
from datetime import datetime, timedelta
from enum import StrEnum

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
