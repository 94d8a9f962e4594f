"""Forward answers in one pass: each gets its own, and a bug or somebody who has gone spoils no other."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from fake_forecaster import FakeForecaster, fake_panel

from serving.answers.forecast_turns import MOST_AT_ONCE, ForecastTurns
from studio_pipeline.errors import QueryError, UnknownStudioError
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery


class Noting(FakeForecaster):
    """Notes how many queries it is asked at once."""

    def __init__(self, model_number: int) -> None:
        super().__init__(model_number, fake_panel(7))
        self.asked: list[int] = []

    def forecast(self, queries: Sequence[ForwardQuery]) -> list[Forecast | QueryError]:
        self.asked.append(len(queries))
        return super().forecast(queries)


def ask_at_once(turns: ForecastTurns, *asked: tuple[Noting, str]) -> list[Any]:
    async def ask() -> list[Any]:
        async def one(forecaster: Noting, studio_id: str) -> Any:
            return await turns.forecast(forecaster, ForwardQuery(studio_id))

        return await asyncio.gather(*(one(*each) for each in asked), return_exceptions=True)

    return asyncio.run(ask())


def test_what_is_there_at_once_is_answered_together() -> None:
    turns, forecaster = ForecastTurns(), Noting(1)
    answers = ask_at_once(turns, *[(forecaster, "chain-a-1")] * 5)
    assert forecaster.asked == [1, 4]
    assert len({answer.revenue[0] for answer in answers}) == 1
    ask_at_once(turns, *[(forecaster, "chain-a-1")] * 3)
    assert forecaster.asked == [1, 4, 3]


def ask_in_turns(turns: ForecastTurns, forecaster: Noting, n_turns: int, each: int) -> list[int]:
    """The order in which queries are answered of which there come some in each turn of the loop."""
    answered: list[int] = []

    async def one(number: int) -> None:
        await turns.forecast(forecaster, ForwardQuery("chain-a-1"))
        answered.append(number)

    async def ask() -> None:
        tasks: list[asyncio.Task[None]] = []
        for _ in range(n_turns):
            tasks += [asyncio.create_task(one(len(tasks) + place)) for place in range(each)]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    asyncio.run(ask())
    return answered


def after_a_crowd(forecaster: Noting) -> ForecastTurns:
    ask_at_once(turns := ForecastTurns(), *[(forecaster, "chain-a-1")] * 3)
    forecaster.asked.clear()
    return turns


def test_those_who_wait_go_on_waiting_while_others_come() -> None:
    forecaster = Noting(1)
    ask_in_turns(after_a_crowd(forecaster), forecaster, 7, 1)
    assert forecaster.asked == [7]


def test_nobody_waits_for_more_than_one_pass_takes() -> None:
    forecaster = Noting(1)
    ask_in_turns(after_a_crowd(forecaster), forecaster, MOST_AT_ONCE + 5, 1)
    assert forecaster.asked == [MOST_AT_ONCE, 5]


def test_nobody_is_overtaken_while_a_crowd_gathers() -> None:
    order = ask_in_turns(ForecastTurns(), forecaster := Noting(1), MOST_AT_ONCE, 2)
    assert order == sorted(order)
    assert forecaster.asked == [1, MOST_AT_ONCE, MOST_AT_ONCE - 1]


def test_one_that_comes_alone_does_not_wait() -> None:
    turns, forecaster = ForecastTurns(), Noting(1)
    ask_at_once(turns, *[(forecaster, "chain-a-1")] * 2)
    for _ in range(2):
        ask_at_once(turns, (forecaster, "chain-a-1"))
    assert not turns._is_crowded
    assert forecaster.asked == [1, 1, 1, 1]


def test_each_gets_the_answer_of_its_studio_and_of_its_release() -> None:
    turns, old, new = ForecastTurns(), Noting(1), Noting(2)
    asked = [(old, "chain-a-1"), (old, "chain-a-2"), (new, "chain-b-1"), (old, "nobody"), (new, "chain-a-1")]
    answers = ask_at_once(turns, *asked)
    assert isinstance(answers[3], UnknownStudioError)
    others = [answers[place] for place in (0, 1, 2, 4)]
    assert [answer.studio_id for answer in others] == ["chain-a-1", "chain-a-2", "chain-b-1", "chain-a-1"]
    assert [answer.revenue[0] // 1000 for answer in others] == [1, 1, 2, 2]


def test_a_bug_is_raised_for_those_it_hits() -> None:
    turns, old, new = ForecastTurns(), Noting(1), Noting(2)
    answers = ask_at_once(turns, (old, "chain-a-1"), (new, "chain-a-1"), (old, "bug"), (old, "chain-a-2"))
    assert [type(answer) for answer in answers] == [Forecast, Forecast, ZeroDivisionError, ZeroDivisionError]


def test_who_has_gone_spoils_nothing() -> None:
    turns, forecaster = ForecastTurns(), Noting(1)

    async def ask() -> Any:
        tasks = [asyncio.create_task(turns.forecast(forecaster, ForwardQuery("chain-a-1"))) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(ask())
    assert [type(answer) for answer in answers] == [Forecast, asyncio.CancelledError, Forecast]


@pytest.mark.parametrize("crowded", [False, True])
def test_answers_are_those_of_one_query_alone(crowded: bool) -> None:
    turns, forecaster = ForecastTurns(), Noting(3)
    answers = ask_at_once(turns, *[(forecaster, "chain-a-2")] * (4 if crowded else 1))
    alone = forecaster.forecast([ForwardQuery("chain-a-2")])[0]
    assert isinstance(alone, Forecast)
    for answer in answers:
        assert (answer.revenue == alone.revenue).all()
