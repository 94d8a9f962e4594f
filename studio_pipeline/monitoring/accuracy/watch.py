"""CUSUM charts of live error and interval coverage, with a configured rate of false alarms.

Each month that arrives gives one value of the error (log of live over expected WAPE) and one of the 90 %
intervals (shortfall of their coverage), both in standard deviations of the backtest's month-to-month scatter.
Only the forecasts with the shortest horizon count in a month: their errors are nearly independent from month
to month, those of longer horizons overlap. The excess over half of the change to be detected is summed; a sum
above the threshold raises an alarm. The threshold follows from the false-alarm rate; one month alone never
exceeds it.

Source: Page (1954), Biometrika 41; run lengths by Siegmund (1985), Sequential Analysis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.accuracy.scored_forecasts import (
    PRIOR_COVERAGE_SCATTER,
    PRIOR_ERROR_SCATTER,
    scatter,
)
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline.panel.arrays import FloatArray

ERROR_ALARM = "live errors exceed what the backtest promised"
COVERAGE_ALARM = "90 % intervals hold less often than promised"
LEAST_SHARE = 0.5
"""Share of the backtest's studios that a month must have forecasts of, to be comparable with it."""

_LEVEL = 0.9
_CUT = 0.75
"""Share of the threshold that one month adds at most, so that no single month raises an alarm."""
_OVERSHOOT = 1.166
_SMALLEST_ALLOWANCE, _LARGEST_ALLOWANCE = 0.25, 1.25


@dataclass(frozen=True)
class AccuracyChart:
    """One CUSUM chart."""

    values: FloatArray  # (M,) the sum after each month, >= 0
    threshold: float  # a sum above it is an alarm
    months_to_find: float  # mean number of months until a change of the given size raises an alarm

    @property
    def alarms(self) -> bool:
        """True if the sum after the last month is above the threshold."""
        return bool(self.values.size and self.values[-1] > self.threshold)


@dataclass(frozen=True)
class Watch:
    """Result of the watch."""

    # A row a month that counted; `month_year`, `horizon`, `n`, `ratio` (live over expected WAPE), `coverage`,
    # `error_sum`, `coverage_sum` (the cumulative sums over their thresholds).
    months: pd.DataFrame
    alarm: str  # names of the alarms, "" for none; unchanged while the same alarms last
    words: tuple[str, ...]  # sentences on the latest month and on the changes that can be detected


def threshold(allowance: float, false_alarms_a_month: float) -> float:
    """Threshold, in deviations, at which a CUSUM of normal draws less `allowance` has this alarm rate."""
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        too_low = _run_length(-allowance, middle) * false_alarms_a_month < 1
        low, high = (middle, high) if too_low else (low, middle)
    return high


def chart(draws: FloatArray, change: float, false_alarms_a_month: float) -> AccuracyChart:
    """Compute the CUSUM of (M,) draws, one a month, that are standard normal while accuracy is as expected.

    `change` is their mean after the change to be detected, in deviations.
    """
    allowance = min(max(change / 2, _SMALLEST_ALLOWANCE), _LARGEST_ALLOWANCE)
    limit = threshold(allowance, false_alarms_a_month)
    values, total = np.empty(len(draws)), 0.0
    for place, draw in enumerate(draws.tolist()):
        total = max(total + min(draw - allowance, _CUT * limit), 0.0)
        # Capped a little above the threshold, so that a long alarm ends soon after its cause.
        total = min(total, (1 + _CUT) * limit)
        values[place] = total
    return AccuracyChart(values, limit, max(_run_length(change - allowance, limit), 2.0))


def watch(
    errors: pd.DataFrame, coverage: pd.DataFrame, promises: pd.DataFrame, rules: AccuracyConfig
) -> Watch:
    """Run the charts on the champion's forecasts with all levers free, of the tables in a record."""
    months = _comparable(_months(errors, coverage), promises)
    if months.empty:
        return Watch(_with_sums(months, np.array([]), np.array([])), "", (_NOTHING,))
    newest = promises[promises["model_version"] == months["model_version"].iloc[-1]].iloc[-1]
    rate = rules.false_alarms_a_year / 12 / 2
    deviation = scatter(newest["error_scatter"], newest["n_months"], PRIOR_ERROR_SCATTER)
    logs = np.log(np.maximum(months["ratio"].to_numpy(np.float64), 1e-6))
    by_error = chart((logs + deviation**2 / 2) / deviation, math.log1p(rules.error_excess) / deviation, rate)
    spread = scatter(newest["coverage_scatter"], newest["n_months"], PRIOR_COVERAGE_SCATTER)
    lack = (_LEVEL - months["coverage"].fillna(_LEVEL).to_numpy(np.float64)) / spread
    by_coverage = chart(lack, rules.coverage_lack / spread, rate)
    sums = by_error.values / by_error.threshold, by_coverage.values / by_coverage.threshold
    found = _with_sums(months, *sums)
    alarms = [name for name, one in ((ERROR_ALARM, by_error), (COVERAGE_ALARM, by_coverage)) if one.alarms]
    last = found.iloc[-1]
    words = (
        f"In {last['month_year']:%Y-%m} the live error was {last['ratio']:.2f} times the promised one"
        f" ({len(found)} months judged).",
        f"An error {100 * rules.error_excess:.0f} % above the promise takes about"
        f" {by_error.months_to_find:.0f} months to be found, and intervals that hold"
        f" {100 * rules.coverage_lack:.0f} points too rarely about {by_coverage.months_to_find:.0f};"
        f" less than half of either may stay unseen. Of {12 / max(rules.false_alarms_a_year, 1e-9) / 12:.0f}"
        " honest years about one brings a false alarm.",
    )
    return Watch(found, "; ".join(alarms), words)


_NOTHING = (
    "No month has arrived yet that was forecast before for at least half of the studios: nothing can be said."
)


def _months(errors: pd.DataFrame, coverage: pd.DataFrame) -> pd.DataFrame:
    """A row a month, horizon and source: live over expected WAPE, and coverage of the 90 % intervals."""
    own = errors[(errors["kind"] == "free") & (errors["role"] == "champion")]
    own = own[own["promised_error"].notna()]
    keys = ["month_year", "horizon", "source"]
    figures = {"n": "max", "absolute_error": "sum", "promised_error": "sum", "model_version": "last"}
    sums = own.groupby(keys, as_index=False).agg(figures)
    cells = coverage[(coverage["kind"] == "free") & (coverage["role"] == "champion")]
    cells = cells[np.isclose(cells["level"].astype(np.float64), _LEVEL)]
    shares = cells.groupby(keys, as_index=False)[["inside", "n"]].sum().rename(columns={"n": "n_bounded"})
    joined = sums.merge(shares, how="left", on=keys)
    return joined.assign(
        ratio=joined["absolute_error"] / joined["promised_error"].where(joined["promised_error"] > 0),
        coverage=joined["inside"] / joined["n_bounded"].where(joined["n_bounded"] > 0),
    ).dropna(subset="ratio")


def _comparable(months: pd.DataFrame, promises: pd.DataFrame) -> pd.DataFrame:
    """The months with enough studios, each once: shortest horizon first, then published forecasts."""
    studios = promises.groupby("model_version")["n_studios"].last()
    expected = months["model_version"].map(studios).astype(np.float64)
    enough = months[~(months["n"] < LEAST_SHARE * expected)]
    ordered = enough.sort_values(["month_year", "horizon", "source"], ascending=[True, True, False])
    return ordered.drop_duplicates("month_year").reset_index(drop=True)


def _with_sums(months: pd.DataFrame, errors: FloatArray, coverage: FloatArray) -> pd.DataFrame:
    names = ["month_year", "horizon", "n", "ratio", "coverage", "error_sum", "coverage_sum"]
    return months.assign(error_sum=errors, coverage_sum=coverage)[names]


def _run_length(drift: float, limit: float) -> float:
    """Mean number of months until a sum with this drift exceeds the limit, by Siegmund's approximation."""
    reach = limit + _OVERSHOOT
    if abs(drift) < 1e-9:
        return reach**2
    exponent = min(-2 * drift * reach, 600.0)
    return (math.exp(exponent) - exponent - 1) / (2 * drift**2)
