"""Summary of a backtest in few numbers, and the error with levers known.

The summary is the input of the promotion rules (`promotion.guard_rails`). It is a flat mapping of name to
float, NaN where a number doesn't apply:

- `{target}_wape_{span}_{candidate}` for the spans 1, 1-3, 1-6, 1-12 and every candidate,
- `{target}_{metric}_{span}` of the ensemble, for each of `ENSEMBLE_METRICS`,
- `{target}_three_month_total_accuracy` of the ensemble,
- `{target}_versus_{baseline}_{span}`: WAPE of the ensemble over that of a simple baseline, minus 1, on the
  rows in which both have a forecast (negative: the ensemble is better), and its `..._standard_error`,
- `{target}_coverage_90_{span}_standard_error`,
- `{target}_error_scatter_1`: standard deviation over months of the log of the ensemble's WAPE one month
  ahead,
- `revenue_wape_{span}_levers_free` and `..._levers_known` of the ensemble, on the rows that have both, where
  the backtest forecasts with levers known,
- `greatest_learner_weight`: the largest total weight of the learners, over targets and horizons; 0 if none
  has weight anywhere (as computed by `learner_weight`),
- `n_studios`, `n_origins`, `n_months` (months forecast), `n_forecasts`, `n_missing` (missing forecasts).

Targets that the predictions lack have no entries.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.metrics.prediction_table import (
    CANDIDATES,
    HORIZONS,
    LEVERS_KNOWN,
    SIMPLE_BASELINES,
    SPANS,
    TARGETS,
)
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.panel.arrays import FloatArray, IntArray

COLUMNS: dict[str, str] = {
    "horizon": "Months ahead, one or a span.",
    "n": "Forecasts that were made both ways and whose month is known.",
    "levers_free": "WAPE of revenue with every lever free, as a forecast is made.",
    "levers_known": "WAPE of revenue given what the levers then did, which is unknown beforehand.",
}


def levers_known_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """WAPE of revenue with levers free and known, on the rows that have both; columns as `COLUMNS`.

    One row per horizon "1".."12" and span that has such forecasts; no rows if there are none.
    """
    rows = predictions[predictions["target"] == "revenue"]
    rows = rows.reindex(columns=["horizon", "actual", "ensemble", LEVERS_KNOWN])
    rows = rows.replace([np.inf, -np.inf], np.nan).dropna()
    missed = pd.DataFrame(
        {
            "n": 1,
            "levers_free": (rows["ensemble"] - rows["actual"]).abs(),
            "levers_known": (rows[LEVERS_KNOWN] - rows["actual"]).abs(),
            "size": rows["actual"].abs(),
        }
    )
    sums = missed.groupby(rows["horizon"]).sum()
    windows = {str(h): (h, h) for h in HORIZONS} | SPANS
    totals = pd.DataFrame({name: sums.loc[first:last].sum() for name, (first, last) in windows.items()}).T
    table = totals[totals["n"] > 0].rename_axis("horizon").reset_index().astype({"n": "int64"})
    for name in ("levers_free", "levers_known"):
        table[name] /= table["size"].where(table["size"] > 0)
    return table[list(COLUMNS)]


SUMMARY_SPANS: tuple[str, ...] = ("1", *SPANS)
ENSEMBLE_METRICS: tuple[str, ...] = (
    "coverage_50", "coverage_80", "coverage_90", "coverage_total", "width_90",
    "business_score", "within_5_pct", "within_10_pct",
)  # fmt: skip


def summarise(predictions: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, float]:
    """Compute the summary listed in the module's docstring."""
    known = predictions[np.isfinite(predictions["actual"])]
    summary = {
        "n_studios": float(known["studio_id"].nunique()),
        "n_origins": float(known["base_month"].nunique()),
        "n_months": float(known["month_year"].nunique()),
        "n_forecasts": float(len(known)),
        "n_missing": float((~np.isfinite(known["ensemble"])).sum()),
    }
    for target in (t for t in TARGETS if (known["target"] == t).any()):
        summary |= _from_table(metrics[metrics["target"] == target], target)
        rows = known[known["target"] == target]
        summary[f"{target}_error_scatter_1"] = _month_scatter(rows[rows["horizon"] == 1])
        for span in SUMMARY_SPANS:
            first, last = SPANS.get(span, (1, 1))
            summary |= _comparisons(rows[rows["horizon"].between(first, last)], target, span)
    errors = levers_known_errors(predictions).set_index("horizon")
    for name in ("levers_free", "levers_known"):
        wape = errors[name].to_dict()
        summary |= {f"revenue_wape_{s}_{name}": float(wape[s]) for s in SUMMARY_SPANS if s in wape}
    return summary


def learner_weight(weights: pd.DataFrame) -> dict[str, float]:
    """`greatest_learner_weight` of weights (target, horizon, candidate, weight); empty for no weights."""
    if weights.empty:
        return {}
    of_learners = weights["weight"].where(weights["candidate"].isin(LEARNERS), 0.0)
    together = of_learners.groupby([weights["target"], weights["horizon"]]).sum()
    return {"greatest_learner_weight": float(together.max())}


def ratio_standard_error(
    above: FloatArray, below: FloatArray, studios: IntArray, months: IntArray
) -> tuple[float, float]:
    """A ratio of sums with its standard error, for errors correlated within a studio and within a month.

    Args:
        above: (N,) addends of the numerator.
        below: (N,) addends of the denominator, >= 0.
        studios: (N,) codes of the studio.
        months: (N,) codes of the forecast month.

    Returns:
        sum(above) / sum(below), NaN where the denominator is zero; and the largest of the standard errors
        clustered by studio, by month, and by both; NaN if there is only one studio and one month.
    """
    total = below.sum()
    if not total > 0:
        return float("nan"), float("nan")
    ratio = above.sum() / total
    parts = (above - ratio * below) / total
    by_studio, by_month = _variance(parts, studios), _variance(parts, months)
    by_cell = _variance(parts, studios * (int(months.max()) + 1) + months)
    variances = [by_studio, by_month, by_studio + by_month - by_cell]
    finite = [v for v in variances if np.isfinite(v)]
    return float(ratio), float(np.sqrt(max(*finite, 0.0))) if finite else float("nan")


def _variance(parts: FloatArray, clusters: IntArray) -> float:
    """Sum of squared cluster sums, corrected for their number; NaN for fewer than two clusters."""
    _, code = np.unique(clusters, return_inverse=True)
    sums = np.bincount(code, parts)
    return float((sums**2).sum() * len(sums) / (len(sums) - 1)) if len(sums) > 1 else float("nan")


def _month_scatter(rows: pd.DataFrame) -> float:
    """Standard deviation over months of the log of their WAPE; NaN for fewer than two such months."""
    sums = pd.DataFrame({"error": (rows["ensemble"] - rows["actual"]).abs(), "size": rows["actual"].abs()})
    by_month = sums.groupby(rows["month_year"]).sum()
    shares = (by_month["error"] / by_month["size"].where(by_month["size"] > 0)).to_numpy(np.float64)
    logs = np.log(shares[shares > 0])
    return float(logs.std(ddof=1)) if len(logs) > 1 else float("nan")


def _from_table(metrics: pd.DataFrame, target: str) -> dict[str, float]:
    cells = metrics.set_index(["horizon", "candidate"]).to_dict()
    numbers = {
        f"{target}_wape_{span}_{candidate}": float(cells["wape"][span, candidate])
        for span in SUMMARY_SPANS
        for candidate in CANDIDATES
    }
    numbers |= {
        f"{target}_{metric}_{span}": float(cells[metric][span, "ensemble"])
        for metric in ENSEMBLE_METRICS
        for span in SUMMARY_SPANS
    }
    accuracy = cells["three_month_total_accuracy"]["1-3", "ensemble"]
    return numbers | {f"{target}_three_month_total_accuracy": float(accuracy)}


def _comparisons(rows: pd.DataFrame, target: str, span: str) -> dict[str, float]:
    error = (rows["ensemble"] - rows["actual"]).abs().to_numpy(np.float64)
    codes = pd.factorize(rows["studio_id"])[0], pd.factorize(rows["month_year"])[0]
    numbers = {}
    for baseline in SIMPLE_BASELINES:
        other = (rows[baseline] - rows["actual"]).abs().to_numpy(np.float64)
        name = f"{target}_versus_{baseline}_{span}"
        numbers[name], numbers[f"{name}_standard_error"] = _clustered(error - other, other, *codes)
    inside = rows["actual"].between(rows["lower_90"], rows["upper_90"]).to_numpy(np.float64)
    bounded = np.isfinite((rows["lower_90"] + rows["upper_90"]).to_numpy(np.float64))
    hits = np.where(bounded, inside, np.nan)
    _, numbers[f"{target}_coverage_90_{span}_standard_error"] = _clustered(hits, np.ones_like(hits), *codes)
    return numbers


def _clustered(
    above: FloatArray, below: FloatArray, studios: IntArray, months: IntArray
) -> tuple[float, float]:
    keep = np.isfinite(above) & np.isfinite(below)
    return ratio_standard_error(above[keep], below[keep], studios[keep], months[keep])
