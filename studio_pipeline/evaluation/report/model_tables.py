"""Tables of the report on the model: weights, seasons, responses, and effects of levers.

Each turns a frame of `ModelFrames` into a `tables.Table` of texts; tables of data and errors are in `tables`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from studio_pipeline.evaluation.formatting import DASH, per_cent
from studio_pipeline.evaluation.levers.lever_text import INTERVENTION_LABELS, LEVER_LABELS
from studio_pipeline.evaluation.levers.true_effects import effect_errors
from studio_pipeline.evaluation.metrics.prediction_table import LABELS, SPANS
from studio_pipeline.evaluation.report.core_figures import FLOW_TITLES
from studio_pipeline.evaluation.report.drawing import short_number
from studio_pipeline.evaluation.report.tables import Table, months_label
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES as MEMBERS
from studio_pipeline.panel.columns import LEVER_COLUMNS, RATE_COLUMNS


@dataclass(frozen=True)
class ModelFrames:
    """Frames of one model.

    Attributes:
        weights: target, horizon, candidate, weight.
        importances: learner, target, feature, importance.
        seasons: as `response_tables.SEASON_COLUMNS`.
        responses: as `response_tables.RESPONSE_COLUMNS`.
        sweep: as `lever_sweep.SWEEP_COLUMNS`.
        effects: as `true_effects.EFFECT_COLUMNS`; no rows if the true effects are unknown.
    """

    weights: pd.DataFrame
    importances: pd.DataFrame
    seasons: pd.DataFrame
    responses: pd.DataFrame
    sweep: pd.DataFrame
    effects: pd.DataFrame


def weights_table(weights: pd.DataFrame, target: str) -> Table:
    """Weight of each candidate at each horizon; zeros are dashes."""
    wide = weights[weights["target"] == target].pivot_table(
        index="candidate", columns="horizon", values="weight", aggfunc="sum", fill_value=0.0
    )
    rows = [
        [LABELS[name], *(per_cent(v, 0) if v > 0 else DASH for v in wide.loc[[name]].to_numpy()[0])]
        for name in MEMBERS
        if name in wide.index
    ]
    return Table(["months ahead", *(str(horizon) for horizon in wide.columns)], rows)


def seasons_table(seasons: pd.DataFrame) -> Table:
    """Factors of each flow and type by calendar month."""
    rows = []
    for (flow, studio_type), part in seasons.groupby(["flow", "studio_type"], sort=False):
        is_points = (part["unit"] == "points").all()
        factors = part.sort_values("calendar_month")["factor"]
        texts = [f"{v:+.2f}" if is_points else per_cent(v, 0) for v in factors]
        rows.append([FLOW_TITLES[str(flow)], str(studio_type) or "no type", *texts])
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return Table(["", "type", *months], rows, text_columns=frozenset({0, 1}))


def responses_table(responses: pd.DataFrame) -> Table:
    """Each response: impact with its interval, the used part, its slope, and its source."""
    rows = [
        [
            row["flow"],
            row["change"],
            *(_signed(row[name]) for name in ("impact", "impact_low", "impact_high", "impact_used")),
            f"{row['effect']:.3f}",
            f"{row['standard_error']:.3f}",
            row["source"],
            f"{row['own_studios']:,}",
            f"{row['pooled_studios']:,}",
            row["sign_rule"],
        ]
        for row in responses.to_dict("records")
    ]
    headings = ["of", "to", "impact", "from", "up to", "used", "slope used", "standard error", "rests on"]
    headings += ["own months", "other studios'", "sign"]
    return Table(headings, rows, text_columns=frozenset({0, 1, 8, 11}))


def _signed(value: float) -> str:
    """A number with its sign; a dash if it is unknown, a plain zero if it is zero."""
    return (f"{value:+.2f}" if value else "0") if math.isfinite(value) else DASH


def sweep_table(sweep: pd.DataFrame) -> Table:
    """A year's revenue with each lever at both ends of its drawn range, and at its present value."""
    rows = []
    for lever in (name for name in LEVER_LABELS if (sweep["lever"] == name).any()):
        part = sweep[sweep["lever"] == lever]
        now = part[part["is_present"]]
        chosen = [part.iloc[0], now.iloc[0] if len(now) else None, part.iloc[-1]]
        cells = [
            text
            for row in chosen
            for text in (
                (DASH, DASH)
                if row is None
                else (lever_text(lever, row["value"]), short_number(row["revenue"]))
            )
        ]
        rows.append([LEVER_LABELS[lever], *cells])
    return Table(["lever", "lowest", "revenue", "where it stands", "revenue", "highest", "revenue"], rows)


def lever_text(lever: str, value: float) -> str:
    """A lever's value with its unit."""
    return per_cent(value) if LEVER_COLUMNS[lever] in RATE_COLUMNS else short_number(value)


def effects_table(effects: pd.DataFrame) -> Table:
    """Predicted and true effect of each intervention over a year, with their error."""
    rows = [
        [
            INTERVENTION_LABELS[row["intervention"]],
            f"{row['studios']:,}",
            *(f"{100 * row[name]:+.1f} %" for name in ("predicted_share", "true_share")),
            per_cent(row["effect_wape"], 0),
            per_cent(row["sign_share"], 0),
        ]
        for row in effect_errors(effects).to_dict("records")
    ]
    return Table(["change", "studios", "predicted effect", "true effect", "off by", "right sign"], rows)


def levers_known_table(errors: pd.DataFrame) -> Table:
    """WAPE of revenue with levers free and known, over month 1 and each span."""
    rows = [
        [months_label(row["horizon"]), f"{row['n']:,}", *(per_cent(row[n], 2) for n in _WAYS)]
        for row in errors.to_dict("records")
        if row["horizon"] in ("1", *SPANS)
    ]
    return Table(["", "forecasts", "levers free", "levers known"], rows)


_WAYS = ("levers_free", "levers_known")
