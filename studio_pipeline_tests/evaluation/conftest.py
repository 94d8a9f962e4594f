"""A made-up backtest, in which how good each candidate is and how often the intervals hold are known."""

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.prediction_table import CANDIDATES, TARGETS
from studio_pipeline.evaluation.metrics.schemas import EFFECTS, SWEEP
from studio_pipeline.evaluation.report.response_tables import RESPONSE_COLUMNS, SEASON_COLUMNS
from studio_pipeline.evaluation.report.tables import ModelFrames
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.forecasting.fleets import Fitted, small_fleet

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
def predictions() -> pd.DataFrame:
    return predictions_of()


@pytest.fixture(scope="session")
def report(predictions: pd.DataFrame) -> EvaluationReport:
    return EvaluationReport.from_predictions(predictions)


@pytest.fixture(scope="session")
def panel_frame() -> pd.DataFrame:
    """Months of a generated fleet, in the form of validated months."""
    return generate_months(GeneratorConfig(studios=10, months=40))


@pytest.fixture(scope="session")
def panel_report(panel_frame: pd.DataFrame) -> EvaluationReport:
    return EvaluationReport.from_predictions(backtest_of(panel_frame))


def backtest_of(panel_frame: pd.DataFrame, origins: int = 8) -> pd.DataFrame:
    """The made-up backtest of real months: each candidate errs by as much of what really happened."""
    names, months = (np.sort(panel_frame[key].unique()) for key in ("studio_id", "month_year"))
    rows = predictions_of(len(names), origins, seed=5)
    made_up = np.sort(rows["base_month"].unique())
    place = np.searchsorted(made_up, rows["base_month"]) + len(months) - 12 - origins
    rows["studio_id"] = names[rows["studio_id"].str[1:].astype(int)]
    rows["base_month"], rows["month_year"] = months[place], months[place + rows["horizon"]]
    columns = {"revenue": "total_revenue", "members": "total_members", "retention": "retention_rate"}
    values = panel_frame.set_index(["studio_id", "month_year"])[list(columns.values())].stack().astype(float)
    keys = rows["target"].map(columns)

    def real(month: str) -> np.ndarray:
        return values.reindex(pd.MultiIndex.from_arrays([rows["studio_id"], rows[month], keys])).to_numpy()

    errs = [*CANDIDATES, "lower_90", "upper_90"]
    smaller = np.where(rows["target"] == "retention", 0.2, 1.0)[:, None]
    relative = rows[errs].div(rows["actual"], axis=0) - 1
    rows["actual"], rows["last_known"] = real("month_year"), real("base_month")
    rows[errs] = (1 + smaller * relative).mul(rows["actual"], axis=0)
    return rows.assign(scale=0.08 * rows["last_known"])


@pytest.fixture(scope="session")
def weights() -> pd.DataFrame:
    """Weights that add up to 1, and none for the random forest."""
    shares = {"core": 0.5, "xgboost": 0.2, "lightgbm": 0.2, "random_forest": 0.0, "seasonal_naive": 0.1}
    rows = [(t, h, name, weight) for t in TARGETS for h in range(1, 13) for name, weight in shares.items()]
    return pd.DataFrame(rows, columns=["target", "horizon", "candidate", "weight"])


@pytest.fixture(scope="session")
def importances() -> pd.DataFrame:
    random = np.random.default_rng(4)
    rows = [
        (learner, target, f"feature_{i}", random.exponential())
        for learner in ("xgboost", "lightgbm", "random_forest")
        for target in TARGETS
        for i in range(20)
    ]
    return pd.DataFrame(rows, columns=["learner", "target", "feature", "importance"])


@pytest.fixture(scope="session")
def features(panel_frame: pd.DataFrame) -> pd.DataFrame:
    random = np.random.default_rng(4)
    noise = {f"feature_{i}": random.normal(size=len(panel_frame)) for i in range(20)}
    growth = panel_frame.groupby("studio_id")["total_revenue"].pct_change()
    return panel_frame[["studio_id", "month_year"]].assign(growth=growth, **noise)


@pytest.fixture(scope="session")
def rejected() -> pd.DataFrame:
    columns = ["file", "line", "studio_id", "month_year", "column", "value", "reason"]
    rows = [
        ("may.csv", 2, "a$1$", "2020-05", "total_revenue", "-5", "total_revenue is negative"),
        ("may.csv", 3, "a1", "2020-05", "total_revenue", "<img onerror=x>", "total_revenue is no number"),
        ("may.csv", 3, "a1", "2020-05", "total_members", None, "total_members is no number"),
        ("may.csv", 4, "a2", "2099-05", "month_year", "2099-05", "the month is in the future"),
        ("june.csv", 2, "a2", "2020-06", "total_revenue", "inf", "total_revenue is infinite"),
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="session")
def seasons() -> pd.DataFrame:
    """Retention falls in summer and new members come in January, for two types."""
    rows = [
        (flow, name, month, about + size * np.cos(2 * np.pi * (month - 1) / 12), unit)
        for name, size in (("Yoga", 0.2), ("Dance", 0.4))
        for flow, about, unit in (("retention", 0.0, "points"), ("acquisition", 1.0, "times"))
        for month in range(1, 13)
    ]
    return pd.DataFrame(rows, columns=list(SEASON_COLUMNS))


@pytest.fixture(scope="session")
def responses() -> pd.DataFrame:
    """One response that rests on months, one on its prior."""
    rows = [
        ("price +10 %", -0.8, -1.1, -0.5, -1.2, 0.2, -1.3, 0.1, 12, "negative, as it must be"),
        ("price +10 %", -9.0, -17.0, -0.3, -1.0, 0.6, 0.7, 1.0, 0, "negative, as it must be"),
    ]
    keys = (("retention", "price"), ("acquisition", "price"))
    joined = [(*key, *row) for key, row in zip(keys, rows, strict=True)]
    return pd.DataFrame(joined, columns=list(RESPONSE_COLUMNS))


@pytest.fixture(scope="session")
def sweep() -> pd.DataFrame:
    """Revenue that rises by 2,000 a unit of price and by 1,000 a point of retention."""
    price = [("avg_ticket_price", v, v == 110.0, 95.0, 115.0, 2_000 * v) for v in (90.0, 100.0, 110.0, 120.0)]
    rate = [("retention_rate", v, v == 0.9, 0.85, 0.95, 220e3 + 100e3 * (v - 0.9)) for v in (0.8, 0.9, 1.0)]
    rows = [("s1", *line, 0.9 * line[-1], 1.1 * line[-1], 220_000.0) for line in (*price, *rate)]
    return pd.DataFrame(rows, columns=list(SWEEP.columns))


@pytest.fixture(scope="session")
def effects() -> pd.DataFrame:
    """A price rise whose predicted effect is a quarter too large, and classes that are said to do nothing."""
    rows = [
        (f"s{i}", name, lever, horizon, share * true, true, 10_000.0)
        for i in range(4)
        for name, lever, share, true in (
            ("price_up_10", "avg_ticket_price", 1.25, 400.0),
            ("classes_up_25", "total_classes_held", 0.0, -50.0),
        )
        for horizon in range(1, 13)
    ]
    return pd.DataFrame(rows, columns=list(EFFECTS.columns))


@pytest.fixture(scope="session")
def model(weights, importances, seasons, responses, sweep, effects) -> ModelFrames:
    return ModelFrames(weights, importances, seasons, responses, sweep, effects)


@pytest.fixture(scope="session")
def fleet() -> Fitted:
    return small_fleet()
