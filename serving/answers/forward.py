"""Fields of forward answers, and forecasts of several requests at once.

Plain dictionaries instead of the Pydantic model of the schema: validating and serialising the model takes as
long as the forecast itself. Tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from serving.answers.replies import Reply, fresh_id
from serving.model_store import HeldRelease
from serving.schemas.forward import ForwardRequest, level_key
from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import Forecast, LeverEffect
from studio_pipeline.publishing.releases import Release

_MONTHS = tuple(f"month_{number}" for number in range(1, MAX_HORIZON_MONTHS + 1))
_CACHED_MONTHS = 1024


def forward_reply(held: HeldRelease, body: ForwardRequest, forecast: Forecast) -> Reply:
    """The reply to one request."""
    return Reply.of("forward", body, held, forward_answer(held.release, body, forecast))


Answered = tuple[Reply, Forecast]


def forward_replies(held: HeldRelease, bodies: Sequence[ForwardRequest]) -> list[Answered | QueryError]:
    """Uncached replies in the order of the requests, each from the model that answers its studio.

    A request that can't be answered gets its error instead.
    """
    arms = [held.for_studio(body.studio_id) for body in bodies]
    found: dict[int, Answered | QueryError] = {}
    for arm in (held, held.challenger):
        places = [place for place, one in enumerate(arms) if one is arm]
        if arm is None or not places:
            continue
        results = arm.forecaster.forecast([bodies[place].to_query() for place in places])
        for place, result in zip(places, results, strict=True):
            if isinstance(result, QueryError):
                found[place] = result
            else:
                found[place] = forward_reply(arm, bodies[place], result), result
    return [found[place] for place in range(len(bodies))]


def forward_answer(release: Release, request: ForwardRequest, forecast: Forecast) -> dict[str, Any]:
    """The JSON of `schemas.forward.ForwardAnswer`."""
    main = request.interval_levels[0]
    shown = request.include_confidence_intervals
    answer = {
        "scenario_id": fresh_id(),
        "model_version": release.model_version,
        "data_version": release.data_version,
        "base_month": _first_day(forecast.base_month),
        "history_months": forecast.history_months,
        "predictions": _months(request, forecast),
        "growth_rate": forecast.growth_rate,
        "total_projected_revenue": forecast.total_revenue,
        "total_confidence_interval": list(forecast.total_intervals[main]) if shown else None,
        "interval_level": main,
        "prediction_accuracy": forecast.prediction_accuracy,
        "lever_effects": {lever: _lever_effect(effect) for lever, effect in forecast.lever_effects.items()},
        "warnings": [*forecast.warnings, *request.warnings()],
    }
    if forecast.status_quo is not None:
        answer["status_quo"] = vars(forecast.status_quo)
    return answer


@lru_cache(_CACHED_MONTHS)
def _first_day(month: np.datetime64) -> str:
    return f"{month.astype('datetime64[M]')}-01"


def _lever_effect(effect: LeverEffect) -> dict[str, Any]:
    return {
        "source": effect.source,
        "effect": effect.effect,
        "standard_error": effect.standard_error,
        "shares": effect.shares,
    }


def _months(request: ForwardRequest, forecast: Forecast) -> dict[str, dict[str, Any]]:
    shown = request.interval_levels if request.include_confidence_intervals else []
    main = forecast.bounds[shown[0]] if shown else repeat(None)
    intervals: list[dict[str, Sequence[float]]] = [{} for _ in forecast.months]
    for level in shown:
        key = level_key(level)
        for by_level, bounds in zip(intervals, forecast.bounds[level], strict=True):
            by_level[key] = bounds
    rows = zip(_MONTHS, forecast.months, main, intervals, forecast.chances, strict=False)
    return {
        month: {
            "revenue": revenue,
            "member_count": members,
            "retention_rate": retention,
            "confidence_interval": interval,
            "intervals": by_level,
            "confidence_score": chance,
        }
        for month, (revenue, members, retention), interval, by_level, chance in rows
    }
