"""The daily removal of old versions, as a job that no asset waits for."""

import dagster as dg

from studio_pipeline.configuration import read_configuration
from studio_pipeline.errors import NoReleaseError, RunInProgressError
from studio_pipeline.publishing.pruning import prune
from studio_pipeline.settings import read_settings

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
