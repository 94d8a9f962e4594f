"""When something is told: a truth table, and what holds for any sequence."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.alerting.conditions import (
    Message,
    News,
    Observation,
    OpenCondition,
    after,
    judge,
    message_of,
    sign_of,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
REPEAT = timedelta(hours=24)


def observed(failing: bool, sign: str = "a") -> Observation:
    return Observation("check:x:y", "check y of x", failing, Message("error", "It failed."), sign)


def known(hours_ago: float, sign: str = "a") -> OpenCondition:
    return OpenCondition(
        "check:x:y", "check y of x", "It failed.", sign, NOW, NOW - timedelta(hours=hours_ago)
    )


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
