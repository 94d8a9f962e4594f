"""Figures of live accuracy, from the sums: errors and coverage with intervals clustered by month."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from studio_pipeline.panel.arrays import FloatArray

WHO = ["source", "kind", "role", "model_version"]
ERROR_COLUMNS = ["n", "months", "wape", "promised_wape", "bias", "mase", "low", "high"]


def error_table(cells: pd.DataFrame, by: Sequence[str] = (*WHO, "horizon")) -> pd.DataFrame:
    """WAPE with its interval, its promise, bias and MASE, a row a group.

    Args:
        cells: of `accuracy_sums.error_cells`.
        by: columns that make a group.
    """
    lines = [
        {**dict(zip(by, _parts(key), strict=True)), **_errors(group)}
        for key, group in cells.groupby(list(by), sort=True)
    ]
    return pd.DataFrame(lines, columns=[*by, *ERROR_COLUMNS])


def coverage_table(
    cells: pd.DataFrame, by: Sequence[str] = ("source", "kind", "role", "level")
) -> pd.DataFrame:
    """Share of intervals that held, with its interval, a row a group.

    Args:
        cells: of `accuracy_sums.coverage_cells`.
        by: columns that make a group.
    """
    lines = []
    for key, group in cells.groupby(list(by), sort=True):
        share, low, high, months = clustered_ratio(group["inside"], group["n"], group["month_year"])
        figures = {"coverage": share, "low": max(low, 0.0), "high": min(high, 1.0)}
        lines.append(
            {**dict(zip(by, _parts(key), strict=True)), "n": group["n"].sum(), "months": months, **figures}
        )
    return pd.DataFrame(lines, columns=[*by, "n", "months", "coverage", "low", "high"])


def clustered_ratio(above: pd.Series, below: pd.Series, month: pd.Series) -> tuple[float, float, float, int]:
    """A ratio of sums, its 95 % interval with months as the independent draws, and their number.

    The interval is NaN for a single month: it says nothing of others. Student's t for few months, with the
    linearised variance of a ratio; source: Cochran, Sampling Techniques (1977), chapter 6.
    """
    sums = pd.DataFrame({"above": above, "below": below}).groupby(month.to_numpy()).sum().to_numpy(np.float64)
    total, n = sums[:, 1].sum(), len(sums)
    if not total > 0:
        return float("nan"), float("nan"), float("nan"), n
    ratio = float(sums[:, 0].sum() / total)
    reach = _reach(sums[:, 0] - ratio * sums[:, 1], n) / total
    return ratio, ratio - reach, ratio + reach, n


def _parts(key: Hashable) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _reach(parts: FloatArray, n: int) -> float:
    if n < 2:
        return float("nan")
    return float(student.ppf(0.975, n - 1) * np.sqrt((parts**2).sum() * n / (n - 1)))


def _errors(group: pd.DataFrame) -> dict[str, float]:
    wape, low, high, months = clustered_ratio(group["absolute_error"], group["actual"], group["month_year"])
    sums = group[["n", "actual", "error", "absolute_error", "promised_error", "naive_error"]].sum(
        min_count=len(group)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "n": float(sums["n"]),
            "months": months,
            "wape": wape,
            "promised_wape": float(np.divide(sums["promised_error"], sums["actual"])),
            "bias": float(np.divide(sums["error"], sums["actual"])),
            "mase": float(np.divide(sums["absolute_error"], sums["naive_error"])),
            "low": max(low, 0.0),
            "high": high,
        }
