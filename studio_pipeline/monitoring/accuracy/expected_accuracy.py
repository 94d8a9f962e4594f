"""Expected accuracy of each model version, from its backtest.

A release stores the backtest's WAPE over months 1, 1 to 3, 1 to 6 and 1 to 12. The WAPE of each single month
ahead follows from a monotone cubic interpolation (PCHIP) of the four cumulative errors. Tables and columns
call the expected error "promised". Live errors are compared with it in `watch`.

Source: Fritsch & Carlson (1980).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.publishing.releases import Release

TYPES: dict[str, str] = {
    "model_version": "object",
    "horizon": "int64",
    "wape": "float64",
    "n_studios": "float64",
    "n_months": "float64",
    "error_scatter": "float64",
    "coverage_scatter": "float64",
}
"""`error_scatter`: standard deviation over months of the log of a month's WAPE at one month ahead;
`coverage_scatter`: of the coverage of its 90 % intervals. Both are NaN if missing from the backtest."""

_SPANS = {1: "1", 3: "1-3", 6: "1-6", 12: "1-12"}
PRIOR_MONTHS = 12
PRIOR_ERROR_SCATTER, PRIOR_COVERAGE_SCATTER = 0.2, 0.06
"""Typical scatter of a month's WAPE and coverage; a prior with the weight of `PRIOR_MONTHS` months."""


def promised_wape(metrics: Mapping[str, float]) -> FloatArray:
    """(12,) expected WAPE for each month ahead; NaN beyond the spans that the backtest reached."""
    sums = {h: h * metrics.get(f"revenue_wape_{span}_ensemble", math.nan) for h, span in _SPANS.items()}
    known = {h: total for h, total in sums.items() if math.isfinite(total)}
    if not known:
        return np.full(12, np.nan)
    curve = PchipInterpolator([0, *known], [0.0, *known.values()], extrapolate=False)
    return np.diff(curve(np.arange(13)))


def promises_of(releases: Iterable[Release], kept: pd.DataFrame) -> pd.DataFrame:
    """Expected accuracy of all model versions that are or were published, a row a version and month ahead.

    Args:
        releases: those still stored.
        kept: table of the run before, which also covers removed releases.
    """
    by_version = {release.model_version: release.metrics for release in releases if release.metrics}
    tables = [_table(version, metrics) for version, metrics in by_version.items()]
    tables += [kept[~kept["model_version"].isin(by_version)]]
    joined = pd.concat([table for table in tables if len(table)] or [no_promises()], ignore_index=True)
    return joined.astype(TYPES)


def no_promises() -> pd.DataFrame:
    """An empty table."""
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in TYPES.items()})


def scatter(seen: float, n_months: float, prior: float) -> float:
    """Standard deviation of a new month from the backtest's mean, shrunk to the prior.

    It includes the uncertainty of the mean, which rests on few months.

    Args:
        seen: standard deviation over the backtest's months.
        n_months: number of these months.
        prior: typical standard deviation, weighted as `PRIOR_MONTHS` months.
    """
    counted = max(n_months - 1, 0.0) if math.isfinite(seen + n_months) else 0.0
    variance = (counted * (seen if counted else 0.0) ** 2 + PRIOR_MONTHS * prior**2) / (
        counted + PRIOR_MONTHS
    )
    return math.sqrt(variance * (1 + 1 / max(counted + 1, PRIOR_MONTHS)))


def _table(version: str, metrics: Mapping[str, float]) -> pd.DataFrame:
    n_months = metrics.get("n_months", math.nan)
    coverage_error = metrics.get("revenue_coverage_90_1_standard_error", math.nan)
    return pd.DataFrame(
        {
            "model_version": version,
            "horizon": np.arange(1, 13),
            "wape": promised_wape(metrics),
            "n_studios": metrics.get("n_studios", math.nan),
            "n_months": n_months,
            "error_scatter": metrics.get("revenue_error_scatter_1", math.nan),
            "coverage_scatter": coverage_error * math.sqrt(max(n_months, 1)),
        }
    )
