"""Forward questions that are there at the same moment are answered in one pass, which costs less than one
after the other; one that comes alone is answered at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from serving.model_store import Forecasting
from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery

Result = Forecast | QueryError

MOST_AT_ONCE = 16
"""More in one pass are hardly cheaper, and those who ask would all wait for the last of them."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    forecaster: Forecasting
    query: ForwardQuery
    result: asyncio.Future[Result]


class ForecastTurns:
    """Answers queries on the event loop, each of which takes under a millisecond.

    Whether others are there at the same moment shows in the loop: what it has in hand runs before what is
    scheduled later. While it does, a query waits for them; the first that finds nobody ends that. Those who
    wait go on waiting while each turn of the loop brings more, up to one pass: to read, to answer and to
    write are turns of their own, so that a crowd would else be split into a small group for each and stay so.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._round_has_begun = False
        self._is_crowded = False
        self._has_grown = False

    async def forecast(self, forecaster: Forecasting, query: ForwardQuery) -> Result:
        """The answer of a forecaster to one query."""
        loop = asyncio.get_running_loop()
        if not (self._is_crowded or self._round_has_begun or self._waiting):
            self._round_has_begun = True
            loop.call_soon(self._end_round)
            return forecaster.forecast([query])[0]
        if not self._waiting:
            loop.call_soon(self._answer)
        self._waiting.append(_Waiting(forecaster, query, loop.create_future()))
        self._has_grown = True
        return await self._waiting[-1].result

    def _end_round(self) -> None:
        self._round_has_begun = False

    def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        if self._has_grown and len(self._waiting) < MOST_AT_ONCE:
            self._has_grown = False
            loop.call_soon(self._answer)
            return
        waiting, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        if self._waiting:
            loop.call_soon(self._answer)
        self._is_crowded = len(waiting) > 1
        # During a swap some may have taken the old release and some the new one.
        for forecaster in {id(one.forecaster): one.forecaster for one in waiting}.values():
            _answer_together(forecaster, [one for one in waiting if one.forecaster is forecaster])


def _answer_together(forecaster: Forecasting, asked: list[_Waiting]) -> None:
    try:
        results = forecaster.forecast([one.query for one in asked])
    # A bug in one answer is told to all who wait for it, as it would be to one.
    except Exception as fault:  # noqa: BLE001
        for one in asked:
            if not one.result.done():
                one.result.set_exception(fault)
        return
    for one, result in zip(asked, results, strict=True):
        # Whoever has given up waiting takes no answer.
        if not one.result.done():
            one.result.set_result(result)
