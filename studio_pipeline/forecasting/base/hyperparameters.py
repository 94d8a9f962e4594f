"""Hyperparameters of the studio model, as typed classes with described ranges and defaults.

They make up the training configuration of a model version; `tuning` searches over some of them. Settings of
the service and of the pipeline don't belong here.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

MAX_HORIZON_MONTHS = 12

LearnerName = Literal["xgboost", "lightgbm", "random_forest"]
LEARNERS: tuple[LearnerName, ...] = get_args(LearnerName)


class Hyperparameters(BaseModel):
    """Base of all hyperparameter classes: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BoostingHyperparameters(Hyperparameters):
    """Gradient-boosted trees on what the stock-and-flow core misses."""

    n_trees: int = Field(60, ge=1, le=2000, description="Boosting rounds; each costs time at every request.")
    max_depth: int = Field(
        3, ge=1, le=12, description="Depth of a tree; deep trees learn single studios by heart."
    )
    learning_rate: float = Field(0.05, gt=0, le=1, description="Shrinkage of each tree.")
    row_sample: float = Field(0.8, gt=0, le=1, description="Share of the rows that a tree sees.")
    column_sample: float = Field(0.8, gt=0, le=1, description="Share of the features that a tree sees.")
    l2: float = Field(200.0, ge=0, le=1e4, description="Ridge penalty on leaf values.")
    min_rows_per_leaf: int = Field(400, ge=1, le=100_000, description="Fewest rows in a leaf.")


class ForestHyperparameters(Hyperparameters):
    """A random forest on what the stock-and-flow core misses."""

    n_trees: int = Field(30, ge=1, le=2000, description="Trees; each costs time at every request.")
    max_depth: int = Field(6, ge=1, le=30, description="Depth of a tree.")
    min_rows_to_split: int = Field(
        400, ge=2, le=100_000, description="Fewest rows in a node that may be split."
    )
    row_sample: float = Field(0.1, gt=0, le=1, description="Share of the rows that a tree sees.")
    column_sample: float = Field(
        0.35, gt=0, le=1, description="Share of the features that a split may choose from."
    )


class ResponsePrior(Hyperparameters):
    """Normal distribution of a response before data are seen, cut off at 0: no burden wins members."""

    mean: float = Field(ge=-100, le=100, description="Mean before the cut-off.")
    standard_deviation: float = Field(gt=0, le=100, description="Standard deviation before the cut-off.")


def _prior(mean: float, standard_deviation: float, description: str) -> Any:
    return Field(ResponsePrior(mean=mean, standard_deviation=standard_deviation), description=description)


class ResponseHyperparameters(Hyperparameters):
    """Priors of the responses to levers; their sources are in `docs/model.md`.

    They are wide enough that the months of a few hundred studios decide, and narrow enough that one studio
    gets a plausible answer with an honest interval.
    """

    price: ResponsePrior = _prior(
        -0.8, 0.8, "Of retention's log odds, and of the log of new members, to the log of the price."
    )
    fullness: ResponsePrior = _prior(
        0.0, 0.4, "Of retention's log odds to the attendance rate of the month before."
    )
    crowding: ResponsePrior = _prior(
        -1.5, 2.0, "Of retention's log odds to the attendance rate above the comfortable one."
    )
    overwork: ResponsePrior = _prior(
        -2.0, 2.0, "Of retention's log odds to the staff utilisation above the comfortable one."
    )
    joining: ResponsePrior = _prior(
        -0.3, 0.5, "Of the log of new members to crowding and to overwork, each as above."
    )
    classes: ResponsePrior = _prior(0.25, 0.2, "Of the log of visits to the log of classes, each a member.")
    workload: ResponsePrior = _prior(0.4, 0.3, "Of the log of staff utilisation to the log of classes.")

    def prior(self, flow: str, regressor: str) -> ResponsePrior | None:
        """Prior of one response; None for a control variable."""
        if flow == "acquisition" and regressor in ("crowding", "overwork"):
            return self.joining
        if flow == "utilization" and regressor == "classes":
            return self.workload
        found: ResponsePrior | None = getattr(self, regressor, None)
        return found


class CoreHyperparameters(Hyperparameters):
    """The stock-and-flow core: how its levels are tuned, and how strongly things are shrunk."""

    tuning_rounds: int = Field(
        5,
        ge=0,
        le=50,
        description="Rounds of the search for each flow's filter settings; all neighbours a round.",
    )
    tuning_studios: int = Field(
        400, ge=1, le=100_000, description="At most so many studios choose the settings."
    )
    season_shrinkage_years: float = Field(
        4.0,
        ge=0,
        le=1000,
        description="Studio-years at which a type's own season counts half, the panel's half.",
    )
    responses: ResponseHyperparameters = ResponseHyperparameters()


class WeightHyperparameters(Hyperparameters):
    """Ensemble weights by non-negative least squares on out-of-fold predictions."""

    prior_months: float = Field(
        10.0,
        ge=0,
        le=1e6,
        description="Evidence at which the pull towards the prior counts half: months where members are "
        "known, else studio months.",
    )
    half_life_months: float = Field(
        12.0,
        gt=0,
        le=1e6,
        description="Age of an origin, in months before the latest, at which it counts half.",
    )
    least_learner_gain: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Share of the error that learners must save to have weight; they cost time.",
    )
    horizon_bandwidth: float = Field(
        1.5, gt=0, le=12, description="Months over which neighbouring horizons share their weights."
    )


class IntervalHyperparameters(Hyperparameters):
    """Predictive distributions from out-of-fold residual paths."""

    own_scale_months: float = Field(
        12.0,
        ge=0,
        le=1000,
        description="Known months at which a studio's own error scale counts half, the panel's half.",
    )
    half_life_months: float = Field(
        12.0, gt=0, le=1000, description="Age at which an origin's errors count half as much as the latest's."
    )
    market_prior_spans: float = Field(
        8.0,
        ge=0,
        le=1000,
        description="Separate spans of evidence that a market walking at random counts for.",
    )
    market_prior_deviation: float = Field(
        0.015,
        ge=0,
        le=1,
        description="Deviation of a market's monthly step before data are seen, of the log of revenue.",
    )
    market_prior_months: float = Field(
        12.0, ge=0, le=1e4, description="Months of evidence that this deviation counts for."
    )


class BacktestHyperparameters(Hyperparameters):
    """Rolling origins: everything is split by time."""

    folds: int = Field(3, ge=1, le=24, description="Times that everything is fitted again on fewer months.")
    fold_months: int = Field(12, ge=1, le=24, description="Origins predicted by each of these fits.")
    min_training_months: int = Field(6, ge=3, le=120, description="Fewest months that a fit may use.")
    max_studios: int = Field(
        2_000,
        ge=10,
        le=1_000_000,
        description="At most so many studios take part in the backtest, evenly spaced.",
    )
    max_training_rows: int = Field(
        40_000,
        ge=100,
        le=10_000_000,
        description="Rows (studio, origin, horizon) that a learner is fitted on, sampled.",
    )


class ForecastingConfig(Hyperparameters):
    """All hyperparameters of the studio model: the training configuration of a model version."""

    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of every draw.")
    xgboost: BoostingHyperparameters = BoostingHyperparameters()
    lightgbm: BoostingHyperparameters = BoostingHyperparameters()
    random_forest: ForestHyperparameters = ForestHyperparameters()
    core: CoreHyperparameters = CoreHyperparameters()
    weights: WeightHyperparameters = WeightHyperparameters()
    intervals: IntervalHyperparameters = IntervalHyperparameters()
    backtest: BacktestHyperparameters = BacktestHyperparameters()
