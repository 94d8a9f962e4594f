"""Asset checks, in the order of the stages in `assets`.

A check blocks where bad data must not reach downstream assets, and warns elsewhere.
"""

from __future__ import annotations

import dagster as dg

from studio_pipeline.asset_checks import data as ensemble
from studio_pipeline.asset_checks import data as features
from studio_pipeline.asset_checks import data as model_fits
from studio_pipeline.asset_checks import data as raw_data
from studio_pipeline.asset_checks import data as tuning
from studio_pipeline.asset_checks import data as validated_data
from studio_pipeline.asset_checks import evaluation
from studio_pipeline.asset_checks import evaluation as monitoring
from studio_pipeline.asset_checks import evaluation as registry

STAGES = (raw_data, validated_data, features, tuning, model_fits, ensemble, evaluation, registry, monitoring)


def all_checks() -> list[dg.AssetChecksDefinition]:
    """Every check, in the order of the stages."""
    return [check for stage in STAGES for check in stage.CHECKS]


def blocking_check_keys(*, before: str) -> list[dg.AssetCheckKey]:
    """Keys of the blocking checks of all assets that come before the asset `before`."""
    specs = [spec for check in all_checks() for spec in check.check_specs if spec.blocking]
    names = [spec.asset_key.to_user_string() for spec in specs]
    last = names.index(before) if before in names else len(names)
    return [spec.key for spec in specs[:last]]
