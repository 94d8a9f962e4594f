"""Whether what is published is whole, and whether its forecasts are."""

from __future__ import annotations

import dagster as dg

from studio_pipeline.asset_checks.schema_checks import schema_check
from studio_pipeline.asset_checks.schemas import FORECASTS
from studio_pipeline.errors import ReleaseError
from studio_pipeline.publishing.releases import current_release, verify_release
from studio_pipeline.settings import Settings


@dg.asset_check(
    asset="registered_model",
    blocking=True,
    description="Every file of the published bundle and snapshot has the SHA-256 that its manifest names.",
)
def release_is_whole(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """Read the release back as the service would, and compare every hash."""
    try:
        release = current_release(settings.home)
        verify_release(settings.home, release)
    except ReleaseError as error:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR, description=str(error))
    return dg.AssetCheckResult(passed=True, metadata={"release": release.version})


CHECKS = [release_is_whole, schema_check("studio_forecasts", FORECASTS)]
