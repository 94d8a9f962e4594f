"""When something is told: a truth table, any sequence, late months, and the daily heartbeat."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.alerting.conditions import (
    AlertConfig,
    Message,
    News,
    Observation,
    OpenCondition,
    PublishedState,
    after,
    expected_month,
    heartbeat,
    is_heartbeat_due,
    judge,
    message_of,
    observe_lateness,
    sign_of,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
REPEAT = timedelta(hours=24)


def observed(failing: bool, sign: str = "a") -> Observation:
    return Observation("check:x:y", "check y of x", failing, Message("error", "It failed."), sign)


def known(hours_ago: float, sign: str = "a") -> OpenCondition:
    told_at = NOW - timedelta(hours=hours_ago)
    return OpenCondition("check:x:y", "check y of x", "It failed.", sign, NOW, told_at)


@pytest.mark.parametrize(
    ("before", "seen", "news"),
    [
        (None, observed(False), News.NOTHING),
        (None, observed(True), News.BEGUN),
        (known(1), observed(True), News.NOTHING),
        (known(23.9), observed(True), News.NOTHING),
        (known(24), observed(True), News.LASTS),
        (known(1), observed(True, "b"), News.CHANGED),
        (known(1), observed(False), News.ENDED),
        (known(30), observed(False, "b"), News.ENDED),
    ],
)
def test_the_truth_table(before: OpenCondition | None, seen: Observation, news: News) -> None:
    assert judge(before, seen, NOW, REPEAT) is news


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.integers(0, 30)), max_size=40))
def test_tellings_begin_and_end_in_turn(steps: list[tuple[bool, str, int]]) -> None:
    condition, now, is_open, expected = None, NOW, False, None
    for failing, sign, hours in steps:
        now += timedelta(hours=hours)
        seen = observed(failing, sign)
        news = judge(condition, seen, now, REPEAT)
        condition = after(news, condition, seen, now)
        assert (news is News.BEGUN) == (failing and not is_open)
        assert (news is News.ENDED) == (not failing and is_open)
        is_open = failing
        assert (condition is not None) == is_open
        if news is News.BEGUN:
            expected = now
        if condition is not None:
            assert (condition.sign, condition.begun_at) == (sign, expected)
            assert now - condition.told_at < REPEAT


def test_a_recovery_says_what_is_over() -> None:
    message = message_of(News.ENDED, known(1), observed(False))
    assert message.kind == "recovery"
    assert "check y of x" in message.title
    assert "It failed." in message.text


def test_a_count_that_moves_is_the_same_failure() -> None:
    assert sign_of("5 of 1,200 rows") == sign_of("7 of 1,201 rows") != sign_of("5 of 1,200 files")


STATE = PublishedState(7, "3", date(2026, 1, 1), datetime(2026, 2, 3, 6, tzinfo=UTC))


@pytest.mark.parametrize(
    ("today", "days", "expected"),
    [
        (date(2026, 3, 10), 10, "2026-01"),
        (date(2026, 3, 11), 10, "2026-02"),
        (date(2026, 3, 1), 0, "2026-02"),
        (date(2026, 1, 5), 10, "2025-11"),
        (date(2026, 1, 11), 10, "2025-12"),
    ],
)
def test_a_month_is_expected_so_many_days_after_its_end_and_late_after_that(today, days, expected) -> None:
    seen = observe_lateness(STATE, today, AlertConfig(late_after_days=days))
    assert seen.failing is (expected == "2026-02")
    assert (expected in seen.message.title) is seen.failing
    assert f"{expected_month(today, days):%Y-%m}" == expected


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
