"""Checks of months, features, fits, ensemble weights and tuning trials.

The schemas are in `panel.validation.schemas` and in `schema_checks`.
"""

from __future__ import annotations

from operator import attrgetter

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks.schema_checks import (
    FEATURE_STORE,
    IMPORTANCES,
    OUT_OF_FOLD,
    TRIALS,
    WEIGHTS,
    check_result,
    schema_check,
)
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.metrics.core_bias import core_bias
from studio_pipeline.forecasting.backtest.core_backtest import CoreFit
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.forecasting.ensemble.weights import EnsembleWeights
from studio_pipeline.forecasting.learners.learner import LearnerFit
from studio_pipeline.panel.closures import closed_studios, closed_text
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.validation.schemas import raw_schema, rejected_schema, validated_schema
from studio_pipeline.panel.validation.validation import gaps_in, over_limit, rejected_share_by_month
from studio_pipeline.resources.asset_results import rows_metadata
from studio_pipeline.tuning.result import TunedHyperparameters
from studio_pipeline.tuning.values import ASSET


def _has_rows(asset: str, name: str, description: str, otherwise: str) -> dg.AssetChecksDefinition:
    """Block a run without rows: nothing can be fitted, and the release must not be replaced."""

    def check(months: pd.DataFrame) -> dg.AssetCheckResult:
        return check_result(len(months) > 0, "" if len(months) else otherwise, blocks=True, rows=len(months))

    return dg.asset_check(asset=asset, name=name, blocking=True, description=description)(check)


@dg.asset_check(
    asset="validated_studio_months",
    blocking=True,
    additional_ins={"rejected_rows": dg.AssetIn()},
    description="No month lost more of its rows than the configuration allows (5 % by default).",
)
def few_rows_rejected(
    validated_studio_months: pd.DataFrame,
    rejected_rows: pd.DataFrame,
    configuration: dg.ResourceParam[Configuration],
) -> dg.AssetCheckResult:
    """Block on too many rejected rows: a broken export would be fitted as a slump."""
    limit = configuration.validation.largest_rejected_share
    shares = rejected_share_by_month(validated_studio_months, rejected_rows)
    too_many = shares[shares["share"] > limit]
    worst_share = float(shares["share"].max()) if len(shares) else 0.0
    text, months = "\n".join(over_limit(shares, limit)), rows_metadata(too_many)
    return check_result(too_many.empty, text, blocks=True, worst_share=worst_share, months=months)


@dg.asset_check(
    asset="validated_studio_months", description="No studio lacks a month between its first and its last."
)
def no_gaps(validated_studio_months: pd.DataFrame) -> dg.AssetCheckResult:
    """Warn about gaps, which are kept as unknown months."""
    gaps = gaps_in(validated_studio_months)
    text = f"{gaps['studio_id'].nunique()} studios lack months." if len(gaps) else ""
    missing = int(gaps["months"].sum())
    return check_result(gaps.empty, text, missing_months=missing, gaps=rows_metadata(gaps))


@dg.asset_check(
    asset="validated_studio_months",
    description="No studio ends in months without revenue and members: it would be taken as closed.",
)
def no_closed_studios(validated_studio_months: pd.DataFrame) -> dg.AssetCheckResult:
    """Warn about studios taken as closed: they are forecast at 0, wrongly if they only lack figures."""
    months = validated_studio_months
    closed = closed_studios(panel_from_frame(months)) if len(months) else []
    studios = rows_metadata(pd.DataFrame(closed, columns=["studio_id", "since"]))
    return check_result(not closed, closed_text(closed), closed_studios=len(closed), studios=studios)


@dg.asset_check(
    asset="stock_and_flow_fit",
    description="With every lever known the core's revenue has no bias beyond noise.",
)
def core_adds_up(stock_and_flow_fit: CoreFit) -> dg.AssetCheckResult:
    """Warn about revenue that the core's sum misses or counts twice."""
    bias = core_bias(stock_and_flow_fit)
    if bias is None:
        return check_result(True, "Members, retention or enough months are missing: there is no such sum.")
    return check_result(not bias.exceeds_noise, bias.in_words(), bias=bias.share, months=bias.months)


def core_errors(fit: CoreFit) -> pd.DataFrame:
    """Out-of-fold forecasts of the core with actual values, a row an origin, target and known month."""
    oof = fit.out_of_fold
    columns = [
        {"target": target, "actual": oof.actual[target].ravel(), "core": candidates["core"].ravel()}
        for target, candidates in oof.candidates.items()
        if "core" in candidates
    ]
    return pd.concat(map(pd.DataFrame, columns), ignore_index=True).dropna(subset=["actual"])


CHECKS = [
    _has_rows(
        "raw_studio_months",
        "has_rows",
        "There is at least one row of a studio's month.",
        "No file of the landing folder holds a row that can be read.",
    ),
    schema_check("raw_studio_months", raw_schema()),
    _has_rows(
        "validated_studio_months",
        "has_usable_months",
        "At least one month of one studio can be used.",
        "No row could be used; see the reasons in `rejected_rows`.",
    ),
    few_rows_rejected,
    no_gaps,
    no_closed_studios,
    schema_check("validated_studio_months", validated_schema(), blocking=True),
    schema_check("rejected_rows", rejected_schema()),
    schema_check("studio_features", FEATURE_STORE, blocking=True),
    core_adds_up,
    schema_check("stock_and_flow_fit", OUT_OF_FOLD, CoreFit, core_errors),
    *(
        schema_check(
            f"{name}_fit", IMPORTANCES, LearnerFit, attrgetter("importances"), name="importances_schema"
        )
        for name in LEARNERS
    ),
    schema_check("ensemble_weights", WEIGHTS, EnsembleWeights, attrgetter("frame"), blocking=True),
    schema_check(ASSET, TRIALS, TunedHyperparameters, attrgetter("trials"), name="trials_schema"),
]
