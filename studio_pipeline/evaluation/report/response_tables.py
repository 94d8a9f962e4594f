"""Tables of the core: seasonal factors and estimated responses, with their sources.

Converts fitted slopes to impacts on natural scales, checks their signs against economic rules, and describes
them in sentences. The estimates come from `forecasting.responses`; figures are in `model_figures`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.formatting import explained
from studio_pipeline.forecasting.base.flows import FLOW_LINKS, logit, sigmoid
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.frames import stacked_tables

SEASONAL_FLOWS: dict[str, str] = {
    "retention": "retention_rate",
    "acquisition": "new_members",
    "ticket": "avg_ticket_price",
    "visits": "total_class_attendance",
    "revenue": "total_revenue",
}
"""Flow whose season is shown, to its column in the panel."""

SEASON_COLUMNS: dict[str, str] = {
    "flow": "What has a season.",
    "studio_type": "The type; empty for studios without one.",
    "calendar_month": "1 for January to 12 for December.",
    "factor": "Times an average month; for retention percentage points above an average month.",
    "unit": "`times` or `points`.",
}


def seasonal_factors(parameters: CoreParameters, panel: StudioPanel) -> pd.DataFrame:
    """Seasonal factors by flow, studio type and calendar month; columns as `SEASON_COLUMNS`.

    Rates are given in percentage points about the type's typical rate, amounts as multiples of an average
    month. Types that the panel lacks are left out.
    """
    rows_of_types = parameters.types_of(panel.studio_types)
    tables = []
    for flow in (name for name in SEASONAL_FLOWS if name in parameters.flows):
        for row in np.unique(rows_of_types):
            season, unit = parameters.flows[flow].season[row], "times"
            factor = np.exp(season)
            if FLOW_LINKS[flow] == "logit":
                typical = typical_rate(panel.values[SEASONAL_FLOWS[flow]][rows_of_types == row])
                factor, unit = points_about(typical, season), "points"
            columns = (flow, (*parameters.studio_types, "")[row], np.arange(1, 13), factor, unit)
            tables.append(pd.DataFrame(dict(zip(SEASON_COLUMNS, columns, strict=True))))
    return stacked_tables(tables, dict.fromkeys(SEASON_COLUMNS, "object"))


def points_about(rate: float, log_odds: FloatArray) -> FloatArray:
    """Change of a rate in percentage points for changes of its log odds."""
    at = float(logit(np.array(rate)))
    return np.asarray(100 * (sigmoid(at + log_odds) - sigmoid(np.array(at))))


def typical_rate(values: FloatArray) -> float:
    """Median of the known values of a rate; NaN if there are none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


RESPONSE_COLUMNS: dict[str, str] = {
    "flow": "What responds: retention (log odds), new members, visits a member or utilisation (logarithms)."
    f" {explained(['visits'])}.",
    "responds_to": f"What it responds to. {explained(('fullness', 'crowding', 'overwork'))}.",
    "change": "The change that `impact` is of.",
    "impact": "Percentage points of retention, per cent of the others, after that change: posterior mean.",
    "impact_low": "Lower end of the impact's 90 % interval.",
    "impact_high": "Upper end of the impact's 90 % interval.",
    "effect": "The slope that is used, on the flow's own scale: the mean of its posterior.",
    "standard_error": "Standard deviation of the posterior.",
    "estimate": "Estimate of the slope from the months alone; unknown where there is none.",
    "prior_share": "Share of the prior in the posterior, 0..1; the rest is the panel's months.",
    "own_studios": "Studios whose own months are at least a hundredth of their response.",
    "sign_rule": "The sign that economics requires, and whether the slope has it.",
}
Z_90 = 1.6448536


@dataclass(frozen=True)
class Regressor:
    """A regressor of a flow's response."""

    change: str  # a change in everyday terms
    units: float  # that change in the regressor's own unit (log price, rate points)
    is_burden: bool  # True if an increase can't increase members


REGRESSORS: dict[str, Regressor] = {
    "price": Regressor("price +10 %", math.log(1.1), is_burden=True),
    "fullness": Regressor("classes 10 points fuller", 0.1, is_burden=False),
    "crowding": Regressor("crowding +10 points", 0.1, is_burden=True),
    "overwork": Regressor("overwork +10 points", 0.1, is_burden=True),
    "classes": Regressor("classes +10 %", math.log(1.1), is_burden=False),
}
RESPONDING_FLOWS: dict[str, str] = {
    "retention": "retention",
    "acquisition": "new members",
    "visits": "visits a member",
    "utilization": "staff utilisation",
}
"""Labels of the flows that respond to levers."""


def lever_responses(responses: Responses, panel: StudioPanel) -> pd.DataFrame:
    """Every estimated response, one row per flow and regressor; columns as `RESPONSE_COLUMNS`.

    The panel's typical retention is the base of percentage points.
    """
    retention = typical_rate(panel.values["retention_rate"])
    rows = [
        {
            "flow": flow,
            "responds_to": name,
            **_impact(flow, name, effect, retention),
            "effect": effect.effect,
            "standard_error": effect.standard_error,
            "estimate": math.nan if effect.estimate is None else effect.estimate,
            "prior_share": effect.prior_share,
            "own_studios": _own_studios(responses, flow, name),
            "sign_rule": sign_rule(name, effect),
        }
        for flow, effects in responses.effects.items()
        for name, effect in effects.items()
    ]
    return pd.DataFrame(rows, columns=list(RESPONSE_COLUMNS))


def _impact(flow: str, name: str, effect: LeverEffect, retention: float) -> dict[str, object]:
    known, error = REGRESSORS[name], Z_90 * effect.standard_error
    slopes = known.units * np.array([effect.effect, effect.effect - error, effect.effect + error])
    impact = points_about(retention, slopes) if flow == "retention" else 100 * np.expm1(slopes)
    names = ("impact", "impact_low", "impact_high")
    return {"change": known.change} | dict(zip(names, map(float, impact), strict=True))


def _own_studios(responses: Responses, flow: str, name: str) -> int:
    own = responses.own.get(flow, {}).get(name)
    return 0 if own is None else len(own.studios)


def sign_rule(regressor: str, effect: LeverEffect) -> str:
    """The economic rule for a slope's sign, and whether the slope keeps it, in a few words."""
    if effect.effect == 0:
        return "none: members don't follow from retention and new members"
    if not REGRESSORS[regressor].is_burden:
        return "positive, as it must be" if effect.effect > 0 else "negative, against the rule"
    return "negative, as it must be" if effect.effect < 0 else "positive, against the rule"


def responses_in_words(table: pd.DataFrame) -> list[str]:
    """One sentence per response that members have."""
    if table.empty:
        return ["The months don't show who stays and who joins, so no response to a lever is known."]
    rows = table[(table["effect"] != 0) & table["impact"].notna()].to_dict("records")
    if not rows:
        return ["Members don't follow from retention and new members here, so no lever changes their number."]
    return [f"{row['change'].capitalize()}: {_impact_text(row)}." for row in rows]


def _impact_text(row: Mapping[Any, Any]) -> str:
    ends = f"{row['impact_low']:+.2f} to {row['impact_high']:+.2f}"
    unit = "points" if row["flow"] == "retention" else "%"
    share = f"{100 * row['prior_share']:.0f} % of it prior"
    return f"{RESPONDING_FLOWS[row['flow']]} {row['impact']:+.2f} {unit} ({ends}; {share})"
