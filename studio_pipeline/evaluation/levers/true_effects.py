"""Predicted effects of levers compared with the generator's true ones.

For panels of generated months only. The true effects are computed in `panel.generator.months`, the predicted
ones with a forecaster; errors and their summary are computed here, sentences on them in `lever_text`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.levers.lever_sweep import present_levers
from studio_pipeline.evaluation.metrics.metrics import ratio_or_nan
from studio_pipeline.evaluation.metrics.schemas import EFFECTS
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import (
    CHANGED_LEVERS,
    Levers,
    expected_interventions,
    generate_months,
    partial_interventions,
)
from studio_pipeline.panel.generator.options import GeneratorConfig

ERROR_COLUMNS: dict[str, str] = {
    "intervention": "What is changed.",
    "lever": "The lever that is held.",
    "studios": "Studios that were asked.",
    "effect_wape": "Sum of |predicted - true effect| over the sum of |true effect|; 1 is predicting none.",
    "sign_share": "Share of months with the right sign, where the effect exceeds 1 % of a mean month.",
    "predicted_share": "Predicted effect over a year, of the year's revenue.",
    "true_share": "True effect over a year, of the year's revenue.",
}
UNKNOWN_TRUTH = (
    "The truth about levers is known only for months that the built-in generator makes as it is configured;"
    " these are not, so predicted effects can't be compared with it."
)
SAMPLED_STUDIOS = 30
FUTURES = 200
NOTICEABLE_SHARE = 0.01
_SAME = 1e-6


def true_effects(
    forecaster: Forecaster, options: GeneratorConfig, studios: int = SAMPLED_STUDIOS, futures: int = FUTURES
) -> pd.DataFrame:
    """Compute predicted and true effects of each partial intervention on revenue, twelve months ahead.

    Compared are the generator's first studios, among them all types; each true mean is over simulated
    futures, the same ones with and without an intervention.

    Returns:
        As `schemas.EFFECTS`, one row per intervention, studio and month ahead; no rows if the panel was not
        generated with these options, as its true effects are then unknown.
    """
    sample = options.model_copy(update={"studios": min(studios, options.studios)})
    panel = sampled_panel(forecaster.panel, sample)
    if panel is None:
        return pd.DataFrame(columns=list(EFFECTS.columns))
    plans: dict[str, Levers] = {"none": {}, **partial_interventions(present_levers(panel))}
    month = str(panel.months[-1])
    tables = expected_interventions(sample, month, MAX_HORIZON_MONTHS, list(plans.values()), futures)
    truth = {
        name: table.pivot_table(index="studio_id", columns="horizon", values="revenue_mean").to_numpy()
        for name, table in zip(plans, tables, strict=True)
    }
    predicted = {name: _predicted(forecaster, panel, levers) for name, levers in plans.items()}
    parts = [
        _rows(panel, name, predicted[name] - predicted["none"], truth[name] - truth["none"], truth["none"])
        for name in CHANGED_LEVERS
    ]
    return pd.concat(parts, ignore_index=True).dropna(ignore_index=True)


def sampled_panel(panel: StudioPanel, sample: GeneratorConfig) -> StudioPanel | None:
    """The studios of the panel that the options generate; None if its months are not the generator's."""
    made = panel_from_frame(generate_months(sample)).until(panel.n_months - 1)
    if panel.first_month != made.first_month or made.n_months != panel.n_months:
        return None
    rows = [panel.rows.get(str(name), -1) for name in made.studio_ids]
    if min(rows) < 0:
        return None
    found = panel.select(np.array(rows))
    given, true = found.values["total_revenue"], made.values["total_revenue"]
    same = np.isfinite(given[:, -1]).all() and not (np.abs(given - true) > _SAME * true).any()
    return found if same else None


def _predicted(forecaster: Forecaster, panel: StudioPanel, levers: Levers) -> FloatArray:
    """(S, H) revenue as forecast; NaN for a studio that can't be forecast."""
    queries = [
        ForwardQuery(
            str(name),
            base_month=panel.months[-1],
            projection_months=MAX_HORIZON_MONTHS,
            levers={lever: float(values[row]) for lever, values in levers.items()},
        )
        for row, name in enumerate(panel.studio_ids)
    ]
    unknown = np.full(MAX_HORIZON_MONTHS, np.nan)
    answers = forecaster.forecast(queries)
    return np.array([answer.revenue if isinstance(answer, Forecast) else unknown for answer in answers])


def _rows(
    panel: StudioPanel, name: str, predicted: FloatArray, true: FloatArray, free: FloatArray
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "studio_id": np.repeat(panel.studio_ids.astype(object), MAX_HORIZON_MONTHS),
            "intervention": name,
            "lever": CHANGED_LEVERS[name],
            "horizon": np.tile(np.arange(1, MAX_HORIZON_MONTHS + 1), panel.n_studios),
            "predicted_effect": predicted.ravel(),
            "true_effect": true.ravel(),
            "free_revenue": free.ravel(),
        }
    )


def effect_errors(effects: pd.DataFrame) -> pd.DataFrame:
    """Errors of predicted effects, one row per intervention; columns as `ERROR_COLUMNS`."""
    parts = [(name, effects[effects["intervention"] == name]) for name in CHANGED_LEVERS]
    rows = [_errors(name, part) for name, part in parts if len(part)]
    return pd.DataFrame(rows, columns=list(ERROR_COLUMNS))


def _errors(name: str, rows: pd.DataFrame) -> dict[str, object]:
    predicted, true = (rows[f"{kind}_effect"].to_numpy(np.float64) for kind in ("predicted", "true"))
    free = rows["free_revenue"].to_numpy(np.float64)
    noticeable = np.abs(true) > NOTICEABLE_SHARE * np.abs(free).mean()
    right = np.sign(predicted[noticeable]) == np.sign(true[noticeable])
    return {
        "intervention": name,
        "lever": CHANGED_LEVERS[name],
        "studios": rows["studio_id"].nunique(),
        "effect_wape": ratio_or_nan(np.abs(predicted - true).sum(), np.abs(true).sum()),
        "sign_share": float(right.mean()) if right.size else float("nan"),
        "predicted_share": ratio_or_nan(predicted.sum(), free.sum()),
        "true_share": ratio_or_nan(true.sum(), free.sum()),
    }


def effects_summary(effects: pd.DataFrame) -> dict[str, float]:
    """`effects_partial` and `signs_partial`, means over interventions, and the error of each; or nothing."""
    errors = effect_errors(effects)
    if errors.empty:
        return {}
    means = {"effects_partial": errors["effect_wape"].mean(), "signs_partial": errors["sign_share"].mean()}
    each = zip("effect_" + errors["intervention"], errors["effect_wape"], strict=True)
    return {str(name): float(value) for name, value in (*means.items(), *each)}
