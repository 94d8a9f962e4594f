"""Names in the table of backtest predictions: targets, candidates, spans of horizons, levels and labels.

The schema of the table is in `schemas`; it is built in `backtest`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from studio_pipeline.forecasting.base.hyperparameters import LEARNERS

Summary = Mapping[str, float]
"""Figures of a backtest by name, as listed in `summary`."""

TARGETS: tuple[str, ...] = ("revenue", "members", "retention")

SIMPLE_BASELINES: tuple[str, ...] = ("persistence", "seasonal_naive", "seasonal_naive_growth")
"""Baselines that need no model; the ensemble is compared with the best of them."""

BASELINES: tuple[str, ...] = ("core", *SIMPLE_BASELINES)
CANDIDATES: tuple[str, ...] = ("ensemble", "core", *LEARNERS, *SIMPLE_BASELINES)

HORIZONS: tuple[int, ...] = tuple(range(1, 13))
SPANS: dict[str, tuple[int, int]] = {"1-3": (1, 3), "1-6": (1, 6), "1-12": (1, 12)}
"""Name of a span to its first and last horizon, both included."""

INTERVAL_LEVELS_PERCENT: tuple[int, ...] = (50, 80, 90)
"""Levels at which the intervals of single months are evaluated; totals are evaluated at the last of them."""

TOTAL = f"total_{INTERVAL_LEVELS_PERCENT[-1]}"
BOUNDS: tuple[str, ...] = tuple(
    f"{end}_{kind}" for kind in (*map(str, INTERVAL_LEVELS_PERCENT), TOTAL) for end in ("lower", "upper")
)
"""Columns of bounds: of single months at each level, and at the last level of the sum over months 1 to h."""

LEVERS_KNOWN = "levers_known"
"""Column of forecasts given the actual future levers; not a candidate, as these are unknown in advance."""

LABELS: dict[str, str] = {
    "ensemble": "ensemble",
    "core": "stock-and-flow core",
    "direct": "own level",
    "smoothing": "own smoothing",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "random_forest": "random forest",
    "persistence": "persistence",
    "seasonal_naive": "seasonal naive",
    "seasonal_naive_growth": "seasonal naive times growth",
}
"""Labels of candidates in text and figures."""


def best_baseline(summary: Summary, target: str, span: str) -> str | None:
    """The simple baseline that compares best with the ensemble; None if none can be compared."""
    differences = {b: summary.get(f"{target}_versus_{b}_{span}", math.nan) for b in SIMPLE_BASELINES}
    comparable = {b: difference for b, difference in differences.items() if math.isfinite(difference)}
    return max(comparable, key=lambda baseline: comparable[baseline]) if comparable else None
