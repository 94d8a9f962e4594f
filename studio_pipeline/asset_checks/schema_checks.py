"""Checks of stored tables against Pandera schemas, and the schemas of derived tables.

Schemas of raw and validated months are in `panel.validation.schemas`, those of the evaluation in
`evaluation.metrics.schemas`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pandera.pandas as pa

from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.forecasting.features.feature_table import FEATURES
from studio_pipeline.panel.validation.schemas import failure_cases
from studio_pipeline.resources.asset_results import rows_metadata


def schema_check(
    asset: str,
    schema: pa.DataFrameSchema,
    stored: type = pd.DataFrame,
    table_of: Callable[[Any], pd.DataFrame] = lambda value: value,
    *,
    blocking: bool = False,
    name: str = "schema",
) -> dg.AssetChecksDefinition:
    """Build a check of an asset's table, taken from its `stored` type by `table_of`, against a schema.

    If it is `blocking`, a failure stops downstream assets in this run; otherwise it is a warning.
    """

    def check(value: Any) -> dg.AssetCheckResult:
        # Lazily, so that all violations are found; a bug in a check propagates.
        table = table_of(value)
        cases = failure_cases(schema, table)
        return check_result(
            cases.empty,
            f"{len(cases)} violations of the schema `{schema.name}`." if len(cases) else "",
            blocks=blocking,
            violations=len(cases),
            rows=len(table),
            failure_cases=rows_metadata(cases),
        )

    check.__annotations__["value"] = stored
    description = f"The stored table fits the schema `{schema.name}`."
    return dg.asset_check(asset=asset, name=name, blocking=blocking, description=description)(check)


def check_result(
    passed: bool, description: str | None, *, blocks: bool = False, **metadata: Any
) -> dg.AssetCheckResult:
    """Result of a check: a warning where it does not pass, or an error where it blocks."""
    severity = dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=passed, severity=severity, description=description, metadata=metadata)


MONTH = "datetime64[ns]"
SHARE = pa.Check.in_range(0, 1)

FINITE = pa.Check(lambda column: ~np.isinf(column), name="finite_or_missing", error="infinite")
AMOUNT = pa.Column(float, [pa.Check.ge(0), FINITE])
MONTHS_AHEAD = pa.Column(int, pa.Check.in_range(1, 12))


FEATURE_STORE = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str),
        "month_year": pa.Column(MONTH),
        **{feature.name: pa.Column(float, FINITE, nullable=True, coerce=True) for feature in FEATURES},
    },
    unique=["studio_id", "month_year"],
    strict=True,
    name="features",
)

OUT_OF_FOLD = pa.DataFrameSchema(
    {
        "target": pa.Column(str),
        "actual": pa.Column(float, FINITE),
        "core": pa.Column(float, FINITE, nullable=True),
    },
    strict=True,
    name="out_of_fold",
)

IMPORTANCES = pa.DataFrameSchema(
    {
        "learner": pa.Column(str),
        "target": pa.Column(str),
        "feature": pa.Column(str),
        "importance": AMOUNT,
    },
    unique=["learner", "target", "feature"],
    name="importances",
)

TRIALS = pa.DataFrameSchema(
    {
        "learner": pa.Column(str, pa.Check.isin(LEARNERS)),
        "trial": pa.Column(float, pa.Check.ge(0), coerce=True),
        "state": pa.Column(str, pa.Check.isin(["complete", "given up"])),
        "loss": pa.Column(float, [pa.Check.ge(0), FINITE], nullable=True),
        "best_so_far": pa.Column(float, [pa.Check.ge(0), FINITE], nullable=True),
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
        "horizon": MONTHS_AHEAD,
        "candidate": pa.Column(str),
        "weight": AMOUNT,
    },
    unique=["target", "horizon", "candidate"],
    name="weights",
)

FORECASTS = pa.DataFrameSchema(
    {
        "studio_id": pa.Column(str),
        "base_month": pa.Column(MONTH),
        "month_year": pa.Column(MONTH),
        "horizon": MONTHS_AHEAD,
        "revenue": AMOUNT,
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
