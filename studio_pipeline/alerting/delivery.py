"""Delivery from the outbox to the channels: in order, each independently, with exponential backoff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from studio_pipeline.alerting.conditions import Message, Observation
from studio_pipeline.alerting.outbox import Outage, Outbox, Report
from studio_pipeline.errors import ChannelError

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=5)
REPORTED_FROM_ATTEMPT = 3
"""Failed attempt from which on the other channels are alerted; the attempts before take half a minute."""

MOST_PER_ROUND = 10
"""Most messages sent to a channel in one round, so that a round stays short after an outage."""


class Notifier(Protocol):
    """Interface of a channel that sends messages; the channels are in `resources.notifiers`."""

    @property
    def name(self) -> str:
        """A single word, the same in every process."""

    def send(self, message: Message, number: int) -> None:
        """Send one message; a repeated message has the same `number`.

        Raises:
            ChannelError: sending failed; the reason contains no secret.
        """


def deliver(outbox: Outbox, notifiers: Sequence[Notifier], clock: Callable[[], datetime]) -> list[str]:
    """Send to each channel its waiting messages, up to its first failure; a line for each one that failed.

    A channel that fails is not used for 10 seconds, then twice as long each time, up to 5 minutes. The other
    channels are alerted at its third failure and when it works again.
    """
    failures = []
    for notifier in notifiers:
        known = outbox.outages().get(notifier.name)
        if known is not None and clock() < known.next_at:
            continue
        error, now = _empty(outbox, notifier), clock()
        failures += [f"{notifier.name}: {error}"] if error else []
        if error is None or _note_failure(outbox, notifier.name, error, known, now) >= REPORTED_FROM_ATTEMPT:
            others = [other.name for other in notifiers if other.name != notifier.name]
            outbox.take(Report(observations=[_observation(notifier.name, error)]), others, now)
    return failures


def _note_failure(outbox: Outbox, name: str, error: ChannelError, known: Outage | None, now: datetime) -> int:
    """Record a failed attempt of a channel; returns the number of its attempts so far."""
    attempts = 1 if known is None else known.attempts + 1
    since, next_at = known.since if known else now, now + wait_after(attempts)
    outbox.failed(Outage(name, since, attempts, next_at, str(error)))
    return attempts


def _empty(outbox: Outbox, notifier: Notifier) -> ChannelError | None:
    for _ in range(MOST_PER_ROUND):
        waiting = outbox.next_message(notifier.name)
        if waiting is None:
            return None
        number, message = waiting
        try:
            notifier.send(message, number)
        except ChannelError as error:
            return error
        outbox.delivered(notifier.name, number)
    return None


def wait_after(attempts: int) -> timedelta:
    """Pause of a channel after its number of failed attempts, which is at least 1."""
    return min(FIRST_WAIT * float(2 ** min(attempts - 1, 20)), LONGEST_WAIT)


def _observation(name: str, error: ChannelError | None) -> Observation:
    """The channel itself as a condition. Its sign is empty: another reason is not another failure."""
    key, shown = f"channel:{name}", f"the channel {name} of alerts"
    if error is None:
        return Observation(key, shown, failing=False, message=Message("recovery", "The channel works."))
    text = f"{error}\nWhat waits for it is kept, and sent when it works again."
    message = Message("error", f"The channel {name} does not take alerts.", text)
    return Observation(key, shown, failing=True, message=message)
