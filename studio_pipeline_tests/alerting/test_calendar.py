"""Late months and the daily heartbeat."""

from datetime import UTC, date, datetime, timedelta

import pytest

from studio_pipeline.alerting.conditions import (
    AlertConfig,
    PublishedState,
    expected_month,
    heartbeat,
    is_heartbeat_due,
    observe_lateness,
)

STATE = PublishedState(7, "3", date(2026, 1, 1), datetime(2026, 2, 3, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("today", "days", "expected"),
    [
        (date(2026, 3, 10), 10, date(2026, 1, 1)),
        (date(2026, 3, 11), 10, date(2026, 2, 1)),
        (date(2026, 3, 1), 0, date(2026, 2, 1)),
        (date(2026, 1, 5), 10, date(2025, 11, 1)),
        (date(2026, 1, 11), 10, date(2025, 12, 1)),
    ],
)
def test_a_month_is_expected_so_many_days_after_its_end(today: date, days: int, expected: date) -> None:
    assert expected_month(today, days) == expected


@pytest.mark.parametrize(("today", "is_late"), [(date(2026, 3, 10), False), (date(2026, 3, 11), True)])
def test_data_are_late_from_the_day_after(today: date, is_late: bool) -> None:
    seen = observe_lateness(STATE, today, AlertConfig())
    assert seen.failing is is_late
    assert ("2026-02" in seen.message.title) is is_late


def test_one_heartbeat_a_day_over_a_week_of_ticks_and_pauses() -> None:
    last, sent = None, []
    now = datetime(2026, 3, 2, 0, tzinfo=UTC)
    while now < datetime(2026, 3, 9, tzinfo=UTC):
        is_off = now.date() == date(2026, 3, 4) or (now.hour in (7, 8) and now.day == 6)
        if not is_off and is_heartbeat_due(last, now, 7):
            last = now.date()
            sent.append((now.day, now.hour))
        now += timedelta(minutes=20)
    assert sent == [(2, 7), (3, 7), (5, 7), (6, 9), (7, 7), (8, 7)]


def test_the_heartbeat_tells_what_is_open() -> None:
    well, ill = heartbeat(STATE, "Last run: x.", [], ""), heartbeat(STATE, "Last run: x.", ["It failed."], "")
    assert well.title == "Daily heartbeat: all well."
    assert "Release 7, model 3, from data to 2026-01" in well.text
    assert ill.title == "Daily heartbeat: 1 open alert."
    assert "- It failed." in ill.text
    assert "Nothing is published yet." in heartbeat(None, "No run yet.", [], "").text
