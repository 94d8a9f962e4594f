"""Facts of a studio's next months as computed figures: forecast, drivers, given levers, recommendations.

All figures of an insight are computed here; `narrative` writes them as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from studio_pipeline.errors import UnknownStudioError
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.core.core_view import CoreView
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.planning.insights.bridge import Driver, KnownMonth, revenue_bridge
from studio_pipeline.planning.insights.recommendations import Recommendation, recommend
from studio_pipeline.planning.scenarios import Interval

_CURRENT_MONTHS = 3
_WHOLE = ("new_members_monthly", "total_classes_held")


@dataclass(frozen=True)
class GivenLever:
    """A lever given in the scenario, in its own unit."""

    lever: str
    from_month: int  # 1 for the month after the base month
    current: float | None  # mean of the last three months; None if unknown
    given: float
    effect_source: str | None  # of the members' response: "data", "pooled", "prior"; None without a response


@dataclass(frozen=True)
class Facts:
    """Figures of one forecast of a studio with history; money in the data's currency, None where unknown."""

    base_month: str  # the last known month, YYYY-MM; `revenue_then` and `members_then` are of it
    month: str  # the last projected month, YYYY-MM; `revenue`, `interval`, `members`, `drivers` refer to it
    projection_months: int
    history_months: int
    revenue_then: float
    revenue: float
    interval: Interval
    interval_level: float  # coverage of all intervals, 0..1
    change: float  # revenue minus `revenue_then`; the drivers' amounts add up to it
    growth: float | None  # the change relative to `revenue_then`; None if that is 0
    total_revenue: float  # over all projected months
    total_interval: Interval
    members_then: float | None
    members: float | None
    joined: float | None  # members who join up to `month`, by the core
    left: float | None  # members who leave up to then, by the core
    drivers: tuple[Driver, ...]
    usual_error: float | None  # WAPE of the model in backtests over these months
    levers: tuple[GivenLever, ...]
    gain_of_levers: float | None  # of the given levers over all projected months, against every lever free
    gain_interval: Interval | None
    recommendations: tuple[Recommendation, ...]  # steps with a gain above 0, the largest first


@dataclass(frozen=True)
class Insight:
    """Facts of a studio, with the warnings that apply to them."""

    facts: Facts
    warnings: tuple[str, ...]


def studio_facts(source: Forecaster, query: ForwardQuery) -> Insight:
    """Computes the facts of a forward query; its first interval level is used for all intervals.

    Raises:
        QueryError: the query can't be answered, or the studio has no history to start from.
    """
    panel = source.panel
    if query.studio_id not in panel.rows:
        raise UnknownStudioError(
            f"There are no months of studio {query.studio_id!r} that a forecast could be explained from.",
            "GET /api/v1/studios lists the studios that have some.",
        )
    (uncertain,) = source.outlooks([replace(query, compare_to_status_quo=True)])
    place = panel.rows[query.studio_id], panel.column_of(uncertain.forecast.base_month)
    current = current_levers(panel, *place)
    names = ("total_revenue", "total_members", "membership_revenue")
    known = KnownMonth(*(float(panel.values[name][place]) for name in names))
    facts = replace(
        _facts_of(query, uncertain.forecast, known, source.core_view(query)),
        levers=_given_levers(query, uncertain.forecast, current),
        recommendations=recommend(source, query, current),
    )
    steps = [{step.lever: step.proposed} for step in facts.recommendations]
    stepped = [replace(query, levers={**query.levers, **step}) for step in steps]
    answers = [uncertain, *source.outlooks(stepped)]
    warnings = chain.from_iterable(answer.forecast.warnings for answer in answers)
    return Insight(facts, tuple(dict.fromkeys(warnings)))


def _facts_of(query: ForwardQuery, forecast: Forecast, known: KnownMonth, view: CoreView) -> Facts:
    """The facts without given levers and recommendations."""
    revenue, level = float(forecast.revenue[-1]), query.interval_levels[0]
    bridge = revenue_bridge(known, view, revenue, query.projection_months)
    low, high = forecast.intervals[level][-1].tolist()
    is_given = any((query.levers, *(step.levers for step in query.lever_plan)))
    status_quo = forecast.status_quo if is_given else None
    return Facts(
        base_month=str(forecast.base_month),
        month=str(forecast.base_month + query.projection_months),
        projection_months=query.projection_months,
        history_months=forecast.history_months,
        revenue_then=known.revenue,
        revenue=bridge.revenue,
        interval=(low, high),
        interval_level=level,
        change=bridge.change,
        growth=bridge.change / known.revenue if known.revenue > 0 else None,
        total_revenue=forecast.total_revenue,
        total_interval=forecast.total_intervals[level],
        members_then=_known(known.members),
        members=_known(float(forecast.member_count[-1])),
        joined=bridge.joined,
        left=bridge.left,
        drivers=bridge.drivers,
        usual_error=_known(1 - forecast.prediction_accuracy),
        levers=(),
        gain_of_levers=None if status_quo is None else status_quo.difference,
        gain_interval=None if status_quo is None else status_quo.difference_interval,
        recommendations=(),
    )


def current_levers(panel: StudioPanel, row: int, column: int) -> dict[str, float]:
    """Lever to its mean over the last three months, rounded for new members and classes; for the member count
    its last value. NaN if unknown.
    """
    months = slice(max(column + 1 - _CURRENT_MONTHS, 0), column + 1)
    found = {}
    for lever, name in LEVER_COLUMNS.items():
        values = panel.values[name][row, months]
        known = values[np.isfinite(values)]
        mean = float(known.mean()) if known.size else math.nan
        found[lever] = float(np.round(mean)) if lever in _WHOLE else mean
    return found | {"current_member_count": float(panel.values["total_members"][row, column])}


def _given_levers(
    query: ForwardQuery, forecast: Forecast, current: Mapping[str, float]
) -> tuple[GivenLever, ...]:
    stages = [(1, query.levers), *((step.from_month, step.levers) for step in query.lever_plan)]
    sources = {lever: effect.source for lever, effect in forecast.lever_effects.items()}
    return tuple(
        GivenLever(lever, from_month, _known(current[lever]), value, sources.get(lever))
        for from_month, levers in stages
        for lever, value in levers.items()
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
