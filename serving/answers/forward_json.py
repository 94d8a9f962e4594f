"""From a forecast to the JSON of the answer: plain dictionaries, which are the fastest to write out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from serving.answers.fresh_ids import fresh_id
from serving.schemas.forward import ForwardRequest, level_key
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import Forecast, LeverEffect
from studio_pipeline.publishing.releases import Release

_MONTHS = tuple(f"month_{number}" for number in range(1, MAX_HORIZON_MONTHS + 1))
_MOST_MONTHS = 1024


class FastJSONResponse(Response):
    """JSON by orjson; NaN leaves as null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of `content`."""
        return orjson.dumps(content)


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


@lru_cache(_MOST_MONTHS)
def _first_day(month: np.datetime64) -> str:
    return f"{month.astype('datetime64[M]')}-01"


def _lever_effect(effect: LeverEffect) -> dict[str, Any]:
    return {
        "source": effect.source,
        "effect": effect.effect,
        "standard_error": effect.standard_error,
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
