"""Whether the fits say what they rest on."""

from __future__ import annotations

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.asset_checks.schemas import IMPORTANCES
from studio_pipeline.forecasting.learners import LearnerFit

CHECKS = [
    schema_check(
        f"{learner}_fit",
        IMPORTANCES,
        name="importances_schema",
        value_type=LearnerFit,
        table_of=lambda fit: fit.importances,
    )
    for learner in ("xgboost", "lightgbm", "random_forest")
]
