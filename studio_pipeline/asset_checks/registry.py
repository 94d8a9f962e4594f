"""Whether what is published is whole, and whether its forecasts are."""

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


@dg.asset_check(
    asset="registered_model",
    description="The new model was not refused: by guard rails, by the model before it, or by its recipe.",
)
def new_model_published(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Show the verdict of the rules, which were applied where the release was made."""
    stored = context.instance.get_latest_materialization_event(dg.AssetKey("registered_model"))
    told = stored.asset_materialization.metadata if stored and stored.asset_materialization else {}
    kind = str(told["decision_kind"].value)
    figures = {name: value for name, value in told.items() if name.startswith("difference_")}
    return dg.AssetCheckResult(
        passed=not kind.endswith("_refused"),
        severity=dg.AssetCheckSeverity.WARN,
        description=str(told["decision"].value),
        metadata={"decision_kind": kind, **figures},
    )


CHECKS = [release_is_whole, new_model_published, schema_check("studio_forecasts", FORECASTS)]
