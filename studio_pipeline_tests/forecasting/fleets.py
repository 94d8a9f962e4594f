"""Small fleets, fitted with few trees, and ways to damage a panel."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from studio_pipeline.forecasting.backtest.core_backtest import CoreFit, fit_core
from studio_pipeline.forecasting.backtest.learner_backtest import fit_learner
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.hyperparameters import (
    LEARNERS,
    MAX_HORIZON_MONTHS,
    ForecastingConfig,
    LearnerName,
)
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights, fit_weights
from studio_pipeline.forecasting.features.feature_store import feature_frame
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.forecasting.model.assembly import assemble_model, correction_graph
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import MONEY_COLUMNS
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig

_BOOSTING = {"n_trees": 8, "min_rows_per_leaf": 30, "l2": 1.0}
CONFIGURATION = ForecastingConfig.model_validate(
    {
        "xgboost": _BOOSTING,
        "lightgbm": _BOOSTING,
        "random_forest": {"n_trees": 5, "min_rows_to_split": 60},
        "core": {"tuning_studios": 24},
    }
)
"""Few trees, but trees that split on a small fleet."""

ALL_EIGHT = {
    "retention_rate": 0.93,
    "avg_ticket_price": 130.0,
    "class_attendance_rate": 0.7,
    "new_members_monthly": 25.0,
    "staff_utilization_rate": 0.85,
    "upsell_rate": 0.25,
    "total_classes_held": 120.0,
    "current_member_count": 250.0,
}
"""A value of each lever, which a studio without history needs."""


@dataclass(frozen=True, repr=False)
class Fitted:
    """A panel and everything that is fitted on it."""

    panel: StudioPanel
    core: CoreFit
    fits: tuple[LearnerFit, ...]
    weights: EnsembleWeights
    model: StudioModel

    @property
    def model_of_all(self) -> StudioModel:
        """The same model with every candidate at equal weight, so that each of them shows in an answer."""
        equal = np.full((MAX_HORIZON_MONTHS, len(CANDIDATES)), 1 / len(CANDIDATES))
        weights = dict.fromkeys(TARGETS, equal)
        return replace(self.model, weights=weights, graphs=correction_graph(self.fits, weights))


def fit_all(
    panel: StudioPanel,
    configuration: ForecastingConfig = CONFIGURATION,
    learners: Iterable[LearnerName] = LEARNERS,
) -> Fitted:
    core = fit_core(panel, configuration)
    features = feature_frame(panel)
    fits = tuple(fit_learner(name, panel, features, core, configuration) for name in learners)
    weights = fit_weights(core, fits, configuration)
    return Fitted(panel, core, fits, weights, assemble_model(panel, core, fits, weights, configuration))


@cache
def generated_panel(studios: int = 24, months: int = 40, seed: int = 7) -> StudioPanel:
    return panel_from_frame(generate_months(GeneratorConfig(studios=studios, months=months, seed=seed)))


@cache
def small_fleet() -> Fitted:
    """24 studios over 40 months, of which some begin late, end early, have gaps or lack columns."""
    return fit_all(ragged(generated_panel()))


def ragged(panel: StudioPanel) -> StudioPanel:
    """Gaps in studio 1, a late start of 2, an early end of 3, no classes in 4, no split of revenue in 5,
    revenue alone in 6.
    """
    classes = ("total_classes_held", "total_class_attendance", "class_attendance_rate", "class_capacity")
    split = tuple(name for name in MONEY_COLUMNS if name not in ("total_revenue", "avg_ticket_price"))
    panel = without_months(panel, 1, [12, 13, 30])
    panel = without_months(panel, 2, range(25))
    panel = without_months(panel, 3, range(panel.n_months - 4, panel.n_months))
    panel = without_columns(without_columns(panel, classes, 4), split, 5)
    return without_columns(panel, [name for name in panel.values if name != "total_revenue"], 6)


def without_months(panel: StudioPanel, row: int, columns: Iterable[int]) -> StudioPanel:
    values = {name: array.copy() for name, array in panel.values.items()}
    for array in values.values():
        array[row, list(columns)] = np.nan
    return replace(panel, values=values)


def without_columns(panel: StudioPanel, names: Iterable[str], row: int | slice = slice(None)) -> StudioPanel:
    values = {name: array.copy() for name, array in panel.values.items()}
    for name in names:
        values[name][row] = np.nan
    return replace(panel, values=values)


def with_values(panel: StudioPanel, changed: Mapping[str, FloatArray]) -> StudioPanel:
    return replace(panel, values=dict(panel.values) | dict(changed))


def in_currency(panel: StudioPanel, factor: float) -> StudioPanel:
    """The same months in a currency worth 1/`factor`."""
    return with_values(panel, {name: factor * panel.values[name] for name in MONEY_COLUMNS})


def months_changed(panel: StudioPanel, name: str, columns: slice, factor: float) -> StudioPanel:
    """One column times a factor in some months of every studio."""
    array = panel.values[name].copy()
    array[:, columns] *= factor
    return with_values(panel, {name: array})


def answered(forecaster: Forecaster, queries: Iterable[ForwardQuery]) -> list[Forecast]:
    """The answers, none of them a refusal."""
    answers = forecaster.forecast(list(queries))
    refused = [answer for answer in answers if not isinstance(answer, Forecast)]
    assert not refused, refused
    return [answer for answer in answers if isinstance(answer, Forecast)]


def year_ahead(panel: StudioPanel, **asked: object) -> list[ForwardQuery]:
    """A query of twelve months for every studio."""
    return [ForwardQuery(str(name), projection_months=12, **asked) for name in panel.studio_ids]  # type: ignore[arg-type]
