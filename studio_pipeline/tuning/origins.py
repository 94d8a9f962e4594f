"""Where each hyperparameter in force comes from."""

from __future__ import annotations

import pandas as pd

from studio_pipeline.forecasting.hyperparameters import ForecastingConfiguration
from studio_pipeline.tuning.spaces import set_by_name

ORIGIN_COLUMNS = {
    "hyperparameter": "Name.",
    "value": "In force.",
    "comes_from": "default, tuned, or configured (the file of STUDIO_CONFIG or the run config).",
    "untuned": "What it would be without tuning.",
}


def origin_table(
    used: ForecastingConfiguration, untuned: ForecastingConfiguration, learner: str
) -> pd.DataFrame:
    """The columns of `ORIGIN_COLUMNS`: every hyperparameter of a learner, and where it comes from."""
    is_set = set_by_name(untuned, learner)
    rows = []
    for name, value in getattr(used, learner).model_dump().items():
        before = getattr(getattr(untuned, learner), name)
        origin = "configured" if name in is_set else "default" if value == before else "tuned"
        rows.append((name, value, origin, before))
    return pd.DataFrame(rows, columns=list(ORIGIN_COLUMNS))


def origin_in_words(table: pd.DataFrame) -> str:
    """Which hyperparameters are tuned or configured, in a sentence."""
    parts = []
    for origin in ("tuned", "configured"):
        names = table.loc[table["comes_from"] == origin, "hyperparameter"].tolist()
        if names:
            parts.append(f"{', '.join(names)}: {origin}")
    return "; ".join([*parts, "all others: default"]) if parts else "all as by default"
