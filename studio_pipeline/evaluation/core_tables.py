"""What the stock-and-flow core has learned, in units that people use: seasons and responses to levers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.forecasting.flows import FLOW_LINKS, logit, sigmoid
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

SEASONAL_FLOWS: dict[str, str] = {
    "retention": "retention_rate",
    "acquisition": "new_members",
    "ticket": "avg_ticket_price",
    "visits": "total_class_attendance",
    "revenue": "total_revenue",
}
"""Flows whose seasons are shown, and the panel's column behind each."""

SEASON_COLUMNS: dict[str, str] = {
    "flow": "What has a season.",
    "studio_type": "The type; empty for studios without one.",
    "calendar_month": "1 for January to 12 for December.",
    "factor": "Times an average month; for retention percentage points above an average month.",
    "unit": "`times` or `points`.",
}


def seasonal_factors(parameters: CoreParameters, panel: StudioPanel) -> pd.DataFrame:
    """Seasonal factors by flow, studio type and calendar month, on natural scales.

    Args:
        parameters: the fitted core.
        panel: the months it was fitted on; types that it lacks are left out.

    Returns:
        Columns as `SEASON_COLUMNS`. Rates are given in percentage points about the type's typical rate,
        amounts as multiples of an average month.
    """
    rows_of_types = parameters.types_of(panel.studio_types)
    tables = []
    for flow in (name for name in SEASONAL_FLOWS if name in parameters.flows):
        for row in np.unique(rows_of_types):
            season = parameters.flows[flow].season[row]
            typical = typical_rate(panel.values[SEASONAL_FLOWS[flow]][rows_of_types == row])
            is_rate = FLOW_LINKS[flow] == "logit"
            tables.append(
                pd.DataFrame(
                    {
                        "flow": flow,
                        "studio_type": (*parameters.studio_types, "")[row],
                        "calendar_month": np.arange(1, 13),
                        "factor": points_about(typical, season) if is_rate else np.exp(season),
                        "unit": "points" if is_rate else "times",
                    }
                )
            )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SEASON_COLUMNS))


def points_about(rate: float, log_odds: FloatArray) -> FloatArray:
    """Percentage points that changes of the log odds move a rate by."""
    at = float(logit(np.array(rate)))
    return np.asarray(100 * (sigmoid(at + log_odds) - sigmoid(np.array(at))))


def typical_rate(values: FloatArray) -> float:
    """Median of what is known of a rate; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
