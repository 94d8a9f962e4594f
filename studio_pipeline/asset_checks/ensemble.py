"""Whether the weights are weights."""

from __future__ import annotations

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.asset_checks.schemas import WEIGHTS
from studio_pipeline.forecasting.weights import EnsembleWeights

CHECKS = [
    schema_check(
        "ensemble_weights",
        WEIGHTS,
        blocking=True,
        value_type=EnsembleWeights,
        table_of=lambda weights: weights.frame,
    )
]
