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
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel
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

CLASSES = ("total_classes_held", "total_class_attendance", "class_attendance_rate", "class_capacity")
SPLIT = tuple(name for name in MONEY_COLUMNS if name not in ("total_revenue", "avg_ticket_price"))
"""Columns of what classes do, and of the parts of revenue."""

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
    panel = without_months(panel, 1, [12, 13, 30])
    panel = without_months(panel, 2, range(25))
    panel = without_months(panel, 3, range(panel.n_months - 4, panel.n_months))
    panel = without_columns(without_columns(panel, CLASSES, 4), SPLIT, 5)
    return only_columns(panel, ("total_revenue",), 6)


def hidden(panel: StudioPanel, where: BoolArray) -> StudioPanel:
    """Nothing is known of the studios' months that an (S, T) mask marks."""
    return replace(panel, values={n: np.where(where, np.nan, a) for n, a in panel.values.items()})


def without_months(panel: StudioPanel, row: int | slice, columns: Iterable[int]) -> StudioPanel:
    where = np.zeros((panel.n_studios, panel.n_months), dtype=bool)
    where[row, list(columns)] = True
    return hidden(panel, where)


def only_columns(panel: StudioPanel, names: Iterable[str], row: int | slice = slice(None)) -> StudioPanel:
    return without_columns(panel, panel.values.keys() - set(names), row)


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


def assert_same(a: Forecast, b: Forecast, factor: float = 1.0, rtol: float = 1e-9) -> None:
    """Every number of two answers is the same, the money of the second times a factor.

    Args:
        rtol: also, of a hundred thousand, the money that differences of large sums may be off by.
    """
    for scale, one, other in zip((1e5, 1.0), figures_of(a), figures_of(b), strict=True):
        np.testing.assert_allclose(other, (factor if scale > 1 else 1.0) * one, rtol=rtol, atol=scale * rtol)
    assert {n: e.source for n, e in a.lever_effects.items()} == {
        n: e.source for n, e in b.lever_effects.items()
    }


def figures_of(answer: Forecast) -> tuple[FloatArray, FloatArray]:
    """All of an answer's money, and all of its other numbers."""
    quo, whole = answer.status_quo, [answer.history_months, answer.prediction_accuracy, answer.growth_rate]
    gain = [quo.total_projected_revenue, quo.difference, *quo.difference_interval] if quo else []
    effects = [(e.effect, e.standard_error) for e in answer.lever_effects.values()]
    money = [answer.revenue, *answer.intervals.values(), *answer.total_intervals.values(), gain]
    rest = [answer.member_count, answer.retention_rate, answer.confidence_score, whole, *effects]
    joined, others = (np.concatenate([np.ravel(part) for part in parts]) for parts in (money, rest))
    return joined, others


def year_ahead(panel: StudioPanel, **asked: object) -> list[ForwardQuery]:
    """A query of twelve months for every studio."""
    return [ForwardQuery(str(name), projection_months=12, **asked) for name in panel.studio_ids]  # type: ignore[arg-type]
