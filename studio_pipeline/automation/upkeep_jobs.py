"""Upkeep jobs: pruning and rollback."""

import dagster as dg

from studio_pipeline.assets.registry import release_metadata
from studio_pipeline.configuration import read_configuration
from studio_pipeline.errors import NoReleaseError, RunInProgressError
from studio_pipeline.publishing.pruning import prune
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.publishing.rollback import ROLLBACK, roll_back
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.settings import Settings, read_settings

PRUNE_VERSIONS = "prune_versions"


@dg.op(required_resource_keys={"unlocked_settings"}, description="Remove what the retention rules let go of.")
def remove_old_versions(context: dg.OpExecutionContext) -> None:
    """Prune, unless a run that came through another door uses the home: then tomorrow."""
    settings = context.resources.unlocked_settings
    rules = read_configuration(settings.config).retention
    try:
        removals = prune(settings.home, rules, settings.model_version)
    except (RunInProgressError, NoReleaseError) as error:
        context.log.info("Nothing was removed today. %s", error)
        return
    kinds = [removal.stored.kind for removal in removals]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    context.add_output_metadata({"removed": counts})


@dg.job(name=PRUNE_VERSIONS, description="Remove old versions by the rules of `retention`.")
def prune_versions() -> None:
    """One op."""
    remove_old_versions()


daily_pruning = dg.ScheduleDefinition(
    name="daily_pruning",
    job=prune_versions,
    cron_schedule="40 3 * * *",
    description="Every night: what is published, and what it needs, always stays.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.resource(description="Settings for what looks after the home's lock itself.")
def unlocked_settings() -> object:
    """Settings from the environment and .env."""
    return read_settings()


ROLLBACK_RELEASE = "rollback_release"
ROLLBACK_OP = "make_current"


@dg.op(
    name=ROLLBACK_OP,
    description="Publish today's data with an older model, as a new release.",
    # Plain text: the `str` of a `dg.Config` would also take {"env": NAME}, and the error show the value.
    config_schema={"version": dg.Field(str, description="The model to go back to.")},
)
def make_current(
    context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], mlflow: MlflowTracking
) -> None:
    """Publish, tell Dagster that `registered_model` is another one now, and move the aliases."""
    before = current_release(settings.home)
    release = roll_back(settings.home, context.op_config["version"], context.run_id)
    told = f"Rolled back by hand from model {before.model_version} to model {release.model_version}."
    context.log_event(
        dg.AssetMaterialization(
            "registered_model",
            description=told,
            metadata=release_metadata(release)
            | {
                "decision_kind": ROLLBACK,
                "decision": told,
                "findings": "",
                "model_promoted": False,
                "published": True,
            },
            tags={"dagster/data_version": f"{release.model_version}/{release.data_version}"},
        )
    )
    mlflow.log(Entry(tags={"data_version": release.data_version, "decision": told}))
    mlflow.set_aliases(release.model_version, None)


@dg.job(
    name=ROLLBACK_RELEASE,
    description="Make an older model current, with today's data; materialise `studio_forecasts` after it.",
)
def rollback_release() -> None:
    """One step."""
    make_current()


forecast_release = dg.define_asset_job(
    "forecast_release",
    selection=["studio_forecasts"],
    description="The published release's forecasts anew, as after a rollback.",
)
