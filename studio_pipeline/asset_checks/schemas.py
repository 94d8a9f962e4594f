"""Schemas of the tables that the pure packages don't describe with Pandera themselves."""

from __future__ import annotations

import numpy as np
import pandera.pandas as pa

from studio_pipeline.forecasting.feature_store import FEATURES
from studio_pipeline.forecasting.learners import LEARNERS

MONTH = "datetime64[ns]"
SHARE = pa.Check.in_range(0, 1)


def _finite_or_missing() -> pa.Check:
    return pa.Check(lambda column: ~np.isinf(column), name="finite_or_missing", error="infinite")


FEATURE_STORE = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str),
        "month_year": pa.Column(MONTH),
        **{
            feature.name: pa.Column(float, _finite_or_missing(), nullable=True, coerce=True)
            for feature in FEATURES
        },
    },
    unique=["studio_id", "month_year"],
    strict=True,
    name="features",
)

OUT_OF_FOLD = pa.DataFrameSchema(
    {
        "target": pa.Column(str),
        "actual": pa.Column(float, _finite_or_missing()),
        "core": pa.Column(float, _finite_or_missing(), nullable=True),
    },
    strict=True,
    name="out_of_fold",
)

IMPORTANCES = pa.DataFrameSchema(
    {
        "learner": pa.Column(str),
        "target": pa.Column(str),
        "feature": pa.Column(str),
        "importance": pa.Column(float, [pa.Check.ge(0), _finite_or_missing()]),
    },
    unique=["learner", "target", "feature"],
    name="importances",
)

TRIALS = pa.DataFrameSchema(
    {
        "learner": pa.Column(str, pa.Check.isin(LEARNERS)),
        "trial": pa.Column(float, pa.Check.ge(0), coerce=True),
        "state": pa.Column(str, pa.Check.isin(["complete", "given up"])),
        "loss": pa.Column(float, [pa.Check.ge(0), _finite_or_missing()], nullable=True),
        "best_so_far": pa.Column(float, [pa.Check.ge(0), _finite_or_missing()], nullable=True),
        "seconds": pa.Column(float, pa.Check.ge(0)),
        "run": pa.Column(str),
        "values": pa.Column(str),
    },
    unique=["learner", "trial"],
    strict=True,
    name="trials",
)

WEIGHTS = pa.DataFrameSchema(
    {
        "target": pa.Column(str),
        "horizon": pa.Column(int, pa.Check.in_range(1, 12)),
        "candidate": pa.Column(str),
        "weight": pa.Column(float, [pa.Check.ge(0), _finite_or_missing()]),
    },
    unique=["target", "horizon", "candidate"],
    name="weights",
)

FORECASTS = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str),
        "base_month": pa.Column(MONTH),
        "month_year": pa.Column(MONTH),
        "horizon": pa.Column(int, pa.Check.in_range(1, 12)),
        "revenue": pa.Column(float, [pa.Check.ge(0), _finite_or_missing()]),
        "lower_90": pa.Column(float),
        "upper_90": pa.Column(float),
        "confidence_score": pa.Column(float, SHARE),
        "member_count": pa.Column(float, pa.Check.ge(0), nullable=True),
        "retention_rate": pa.Column(float, SHARE, nullable=True),
    },
    checks=pa.Check(lambda rows: rows["lower_90"] <= rows["upper_90"], name="intervals_in_order"),
    unique=["studio_id", "horizon"],
    strict=True,
    name="forecasts",
)
