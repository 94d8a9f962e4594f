"""Whether the trials of a search are what they are said to be."""

from __future__ import annotations

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.asset_checks.schemas import TRIALS
from studio_pipeline.tuning.result import TunedHyperparameters
from studio_pipeline.tuning.values import ASSET

CHECKS = [
    schema_check(
        ASSET,
        TRIALS,
        name="trials_schema",
        value_type=TunedHyperparameters,
        table_of=lambda tuned: tuned.trials,
    )
]
