"""Whether the fits say what they rest on."""

from __future__ import annotations

import pandas as pd

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.asset_checks.schemas import IMPORTANCES, OUT_OF_FOLD
from studio_pipeline.forecasting.core_fit import CoreFit
from studio_pipeline.forecasting.learners import LEARNERS, LearnerFit


def core_errors(fit: CoreFit) -> pd.DataFrame:
    """The core's out-of-fold forecasts beside what happened: a row an origin, target and known month."""
    forecasts = fit.out_of_fold
    tables = [
        pd.DataFrame(
            {
                "target": target,
                "actual": forecasts.actual[target].ravel(),
                "core": forecasts.candidates[target]["core"].ravel(),
            }
        )
        for target in forecasts.actual
        if "core" in forecasts.candidates[target]
    ]
    return pd.concat(tables, ignore_index=True).dropna(subset=["actual"])


CHECKS = [
    schema_check("stock_and_flow_fit", OUT_OF_FOLD, value_type=CoreFit, table_of=core_errors),
    *(
        schema_check(
            f"{learner}_fit",
            IMPORTANCES,
            name="importances_schema",
            value_type=LearnerFit,
            table_of=lambda fit: fit.importances,
        )
        for learner in LEARNERS
    ),
]
