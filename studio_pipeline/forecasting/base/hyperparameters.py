"""Hyperparameters of the studio model, as typed classes with described ranges and defaults.

They make up the training configuration of a model version; `tuning` searches over some of them. Settings of
the service and of the pipeline don't belong here.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MAX_HORIZON_MONTHS = 12


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
    response_prior_scale: float = Field(
        2.0,
        gt=0,
        le=100,
        description="Standard deviation of the response to any lever but the price before data are seen; "
        "its mean is 0.",
    )
    price_response_mean: float = Field(
        -0.8,
        ge=-100,
        le=0,
        description="Mean response to the price before data are seen: of retention's log odds, and of the "
        "log of new members, on the log of the price.",
    )
    price_response_scale: float = Field(
        0.6, gt=0, le=100, description="Standard deviation of that response before data are seen."
    )


class WeightHyperparameters(Hyperparameters):
    """Ensemble weights by non-negative least squares on out-of-fold predictions."""

    prior_months: float = Field(
        10.0,
        ge=0,
        le=1e6,
        description="Studio months of evidence at which the pull towards the prior counts half.",
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
