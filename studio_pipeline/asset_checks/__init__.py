"""Asset checks, in the order of the stages in `assets`.

A check blocks where bad data must not reach downstream assets, and warns elsewhere.
"""

import dagster as dg

from studio_pipeline.asset_checks import data, evaluation

CHECKS: list[dg.AssetChecksDefinition] = [*data.CHECKS, *evaluation.CHECKS]


def blocking_check_keys(*, before: str) -> list[dg.AssetCheckKey]:
    """Keys of the blocking checks of all assets that come before the asset `before`."""
    specs = [spec for check in CHECKS for spec in check.check_specs if spec.blocking]
    names = [spec.asset_key.to_user_string() for spec in specs]
    last = names.index(before) if before in names else len(names)
    return [spec.key for spec in specs[:last]]
