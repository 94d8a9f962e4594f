"""The names in a table of backtest predictions: targets, candidates, and the spans of horizons."""

from __future__ import annotations

TARGETS: tuple[str, ...] = ("revenue", "members", "retention")

LEARNERS: tuple[str, ...] = ("xgboost", "lightgbm", "random_forest")
SIMPLE_BASELINES: tuple[str, ...] = ("persistence", "seasonal_naive", "seasonal_naive_growth")
"""What anybody could forecast with a spreadsheet; the ensemble has to earn its place beside them."""

BASELINES: tuple[str, ...] = ("core", *SIMPLE_BASELINES)
CANDIDATES: tuple[str, ...] = ("ensemble", "core", *LEARNERS, *SIMPLE_BASELINES)

HORIZONS: tuple[int, ...] = tuple(range(1, 13))
SPANS: dict[str, tuple[int, int]] = {"1-3": (1, 3), "1-6": (1, 6), "1-12": (1, 12)}
"""Name of a span to its first and last horizon, both included."""

LABELS: dict[str, str] = {
    "ensemble": "ensemble",
    "core": "stock-and-flow core",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "random_forest": "random forest",
    "persistence": "persistence",
    "seasonal_naive": "seasonal naive",
    "seasonal_naive_growth": "seasonal naive times growth",
}
"""How a candidate is called in words and pictures."""
