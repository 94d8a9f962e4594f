"""Pandera schemas of the evaluation's tables: predictions, metrics, lever sweep and lever effects.

Asset checks validate the stored tables with them; the tables are built in `backtest`, `metrics`, and in
`levers`.
"""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from studio_pipeline.evaluation.metrics.prediction_table import (
    CANDIDATES,
    HORIZONS,
    LEVERS_KNOWN,
    SPANS,
    TARGETS,
)
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.panel.generator.months import CHANGED_LEVERS

MONTH = "datetime64[ns]"


def _number(description: str, *checks: pa.Check) -> pa.Column:
    return pa.Column(float, list(checks), nullable=True, description=description)


def _share(description: str) -> pa.Column:
    return _number(description, pa.Check.in_range(0, 1))


def _optional(description: str) -> pa.Column:
    return pa.Column(float, nullable=True, required=False, description=description)


def _in_order(kind: str) -> pa.Check:
    """Check that lower ends don't exceed upper ends; missing ends pass."""
    lower, upper = f"lower_{kind}", f"upper_{kind}"
    return pa.Check(
        lambda rows: ~(rows[lower] > rows[upper]) if lower in rows else pd.Series(True, rows.index),
        name=f"intervals_{kind}_in_order",
        error=f"{lower} > {upper}",
    )


_INTERVALS = {
    "50": "50 % interval of the month",
    "80": "80 % interval of the month",
    "total_90": "90 % interval of the sum over months 1 to `horizon`",
}


PREDICTIONS = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str, description="The studio."),
        "base_month": pa.Column(MONTH, description="The last month known to the forecast."),
        "horizon": pa.Column(int, pa.Check.isin(HORIZONS), description="Months ahead, 1..12."),
        "month_year": pa.Column(MONTH, description="The month that was forecast."),
        "target": pa.Column(str, pa.Check.isin(TARGETS), description="What was forecast."),
        "actual": _number("What happened; NaN where it is not known."),
        "last_known": _number("The target's value in the base month."),
        **{name: _number(f"Forecast of {name}, the target's unit.") for name in CANDIDATES},
        "lower_90": _number("Lower end of the ensemble's 90 % interval."),
        "upper_90": _number("Upper end of the ensemble's 90 % interval."),
        "scale": _number("In-sample MAE of seasonal naive of that studio and target.", pa.Check.ge(0)),
        **{
            f"{end}_{kind}": _optional(f"{end.capitalize()} end of the ensemble's {what}.")
            for kind, what in _INTERVALS.items()
            for end in ("lower", "upper")
        },
        LEVERS_KNOWN: _optional("Forecast that was given what the levers then did; revenue alone."),
    },
    checks=[_in_order("90"), *(_in_order(kind) for kind in _INTERVALS)],
    unique=["studio_id", "base_month", "horizon", "target"],
    strict=True,
    name="predictions",
)
"""Backtest predictions: one row per studio, origin, horizon and target."""

METRICS = pa.DataFrameSchema(
    {
        "target": pa.Column(str, pa.Check.isin(TARGETS), description="What was forecast."),
        "horizon": pa.Column(
            str, pa.Check.isin([*map(str, HORIZONS), *SPANS]), description="Months ahead, one or a span."
        ),
        "candidate": pa.Column(str, pa.Check.isin(CANDIDATES), description="Who forecast."),
        "n": pa.Column(int, pa.Check.ge(0), description="Rows with a forecast and a known actual."),
        "rmse": _number("Root mean squared error, the target's unit.", pa.Check.ge(0)),
        "mae": _number("Mean absolute error, the target's unit.", pa.Check.ge(0)),
        "r2": _number("1 - squared error / squared deviation from the mean.", pa.Check.le(1)),
        "mape": _number("Mean of |error| / |actual|, a share.", pa.Check.ge(0)),
        "wape": _number("Sum of |error| / sum of |actual|, a share.", pa.Check.ge(0)),
        "mase": _number("Mean of |error| / in-sample error of seasonal naive.", pa.Check.ge(0)),
        "direction_from_last": _share("Share on the right side of the last known month."),
        "direction_along_path": _share("Share of months in which the path moves the right way."),
        "within_5_pct": _share("Share of months within 5 % of the actual."),
        "within_10_pct": _share("Share of months within 10 % of the actual."),
        "three_month_total_accuracy": _number("1 - WAPE of the totals of months 1-3.", pa.Check.le(1)),
        "business_score": _number("100 - mean percentage error, over 10 % counted double.", pa.Check.le(100)),
        "coverage_50": _share("Share of months inside the 50 % interval."),
        "coverage_80": _share("Share of months inside the 80 % interval."),
        "coverage_90": _share("Share of months inside the 90 % interval."),
        "coverage_total": _share("Share of totals up to this month inside their 90 % interval."),
        "width_90": _number("Sum of interval widths / sum of |actual|.", pa.Check.ge(0)),
    },
    unique=["target", "horizon", "candidate"],
    strict=True,
    name="metrics",
)
"""Metrics: one row per target, horizon or span, and candidate."""


def _amount(description: str) -> pa.Column:
    return pa.Column(float, pa.Check.ge(0), description=description)


_LEVER = pa.Column(str, pa.Check.isin(LEVER_COLUMNS), description="The one lever that is held.")

SWEEP = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str, description="The typical studio."),
        "lever": _LEVER,
        "value": _amount("What it is held at, in its own unit."),
        "is_present": pa.Column(bool, description="Whether that is its mean over the last three months."),
        "shown_low": _amount("The smallest value that the studio has shown."),
        "shown_high": _amount("The largest value that the studio has shown."),
        "revenue": _amount("Expected revenue of the next twelve months, currency."),
        "lower_90": _amount("Lower end of its 90 % interval, currency."),
        "upper_90": _amount("Upper end of its 90 % interval, currency."),
        "free_revenue": _amount("The same revenue with every lever free, currency."),
    },
    checks=_in_order("90"),
    unique=["lever", "value"],
    strict=True,
    coerce=True,
    name="lever_sweep",
)
"""A typical studio's revenue over a year: one row per lever and value."""

EFFECTS = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str, description="The studio."),
        "intervention": pa.Column(str, pa.Check.isin(CHANGED_LEVERS), description="What is changed."),
        "lever": _LEVER,
        "horizon": pa.Column(int, pa.Check.isin(HORIZONS), description="Months ahead, 1..12."),
        "predicted_effect": pa.Column(
            float, description="Predicted revenue with it minus without, currency."
        ),
        "true_effect": pa.Column(float, description="The same of the true process, mean of many futures."),
        "free_revenue": _amount("True mean revenue without the intervention, currency."),
    },
    unique=["studio_id", "intervention", "horizon"],
    strict=True,
    coerce=True,
    name="lever_effects",
)
"""Effects of interventions: one row per intervention, studio and month ahead."""
