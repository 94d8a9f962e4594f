"""Upkeep jobs: pruning of old versions, rollback of the model, and forecasts of the current release.

The jobs that fit, monitor and tune are in `jobs`.
"""

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
    """Prune; skipped until the next day if a run outside this daemon holds the lock of the home."""
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
    """Run the op `remove_old_versions`."""
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
    """Read the settings from the environment and .env, without locking the home."""
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
    """Publish the release, report a materialisation of `registered_model`, and move the MLflow aliases."""
    before = current_release(settings.home)
    release = roll_back(settings.home, context.op_config["version"], context.run_id)
    message = f"Rolled back by hand from model {before.model_version} to model {release.model_version}."
    context.log_event(
        dg.AssetMaterialization(
            "registered_model",
            description=message,
            metadata=release_metadata(release)
            | {
                "decision_kind": ROLLBACK,
                "decision": message,
                "findings": "",
                "model_promoted": False,
                "published": True,
            },
            tags={"dagster/data_version": f"{release.model_version}/{release.data_version}"},
        )
    )
    mlflow.log(Entry(tags={"data_version": release.data_version, "decision": message}))
    mlflow.set_aliases(release.model_version, None)


@dg.job(
    name=ROLLBACK_RELEASE,
    description="Make an older model current, with today's data; materialise `studio_forecasts` after it.",
)
def rollback_release() -> None:
    """Run the op `make_current`."""
    make_current()


forecast_release = dg.define_asset_job(
    "forecast_release",
    selection=["studio_forecasts"],
    description="The published release's forecasts anew, as after a rollback.",
)
