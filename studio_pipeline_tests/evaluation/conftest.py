"""A made-up backtest, in which how good each candidate is and how often the intervals hold are known."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.candidates import CANDIDATES, TARGETS
from studio_pipeline.evaluation.evaluation_report import EvaluationReport

ERRORS = {
    "ensemble": 0.03,
    "core": 0.036,
    "xgboost": 0.034,
    "lightgbm": 0.033,
    "random_forest": 0.038,
    "persistence": 0.06,
    "seasonal_naive": 0.09,
    "seasonal_naive_growth": 0.07,
}
"""Relative error of each candidate at horizon 1; it grows with the root of the horizon."""

Z_90 = 1.6448536


def predictions_of(
    studios: int = 20,
    origins: int = 6,
    horizons: int = 12,
    targets: tuple[str, ...] = TARGETS,
    errors: dict[str, float] = ERRORS,
    seed: int = 3,
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.MultiIndex.from_product(
        [targets, [f"s{i:03d}" for i in range(studios)], range(origins), range(1, horizons + 1)],
        names=["target", "studio_id", "origin", "horizon"],
    ).to_frame(index=False)
    months = np.datetime64("2020-06") + np.arange(origins + horizons)
    rows["base_month"] = months[rows["origin"]].astype("datetime64[ns]")
    rows["month_year"] = months[rows["origin"] + rows["horizon"]].astype("datetime64[ns]")
    size = rows["target"].map({"revenue": 40_000.0, "members": 250.0, "retention": 0.9})
    own = rows["studio_id"].map({f"s{i:03d}": random.uniform(0.5, 1.6) for i in range(studios)})
    level = np.where(rows["target"] == "retention", size, size * own)
    spread = np.sqrt(rows["horizon"].to_numpy())
    wave = 1 + 0.1 * np.sin(2 * np.pi * rows["month_year"].dt.month.to_numpy() / 12)
    rows["actual"] = level * wave * random.normal(1, 0.02, len(rows))
    rows["last_known"] = level * random.normal(1, 0.02, len(rows))
    for name in CANDIDATES:
        rows[name] = rows["actual"] * (1 + errors[name] * spread * random.normal(size=len(rows)))
    half = Z_90 * errors["ensemble"] * spread * rows["actual"]
    rows["lower_90"], rows["upper_90"] = rows["ensemble"] - half, rows["ensemble"] + half
    rows["scale"] = 0.08 * level
    return rows.drop(columns="origin")


@pytest.fixture(scope="session")
def make_predictions() -> Callable[..., pd.DataFrame]:
    """The maker itself: studios, origins, horizons, targets, errors of each candidate, seed."""
    return predictions_of


@pytest.fixture(scope="session")
def predictions() -> pd.DataFrame:
    return predictions_of()


@pytest.fixture(scope="session")
def report(predictions: pd.DataFrame) -> EvaluationReport:
    return EvaluationReport.from_predictions(predictions)
