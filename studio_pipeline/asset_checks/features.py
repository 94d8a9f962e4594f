"""Whether the feature store is whole: infinite features would poison every fit."""

from __future__ import annotations

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.asset_checks.schemas import FEATURE_STORE

CHECKS = [schema_check("studio_features", FEATURE_STORE, blocking=True)]
