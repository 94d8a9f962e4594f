"""Jobs of the automation and of the upkeep, their tags, and freshness policies.

Assets of a release must be renewed between the start of a month and noon of its third day, six hours after
the schedule `monthly_refresh`; monitoring assets within 26 hours, as they run daily. Dagster's daemon
evaluates the policies but starts no run. Assets that the refresh does not materialise have no policy.
Schedules of the jobs that fit, monitor and tune are in `sensors`.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

import dagster as dg

from studio_pipeline.assets.registry import release_metadata
from studio_pipeline.configuration import read_configuration
from studio_pipeline.errors import NoReleaseError, RunInProgressError
from studio_pipeline.publishing.pruning import prune
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.publishing.rollback import ROLLBACK, roll_back
from studio_pipeline.resources.mlflow_tracking import Entry, MlflowTracking
from studio_pipeline.resources.run_configuration import LOCK_TAG
from studio_pipeline.settings import Settings, read_settings
from studio_pipeline.tuning.values import ASSET as TUNED

REFRESH_RELEASE = "refresh_release"
MONITOR_RELEASE = "monitor_release"
TUNE_LEARNERS = "tune_learners"

refresh_release = dg.define_asset_job(
    REFRESH_RELEASE,
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(TUNED),
    description="Materialise every asset once, apart from the tuning: from the months to a published release"
    " and its forecasts.",
)

monitor_release = dg.define_asset_job(
    MONITOR_RELEASE,
    selection=dg.AssetSelection.groups("monitoring"),
    description="Materialise what watches the release, with its checks: accuracy so far, and drift.",
)

tune_learners = dg.define_asset_job(
    TUNE_LEARNERS,
    selection=dg.AssetSelection.assets(TUNED),
    description="Search the learners' hyperparameters within a budget; the next refresh uses what it found.",
    # The search starts from the defaults, and must work even if the stored tuned values are corrupt.
    config={"resources": {"configuration": {"config": {"tuning": {"use_tuned": False}}}}},
    # It takes long, and a refresh reads its result only once it is complete, so no lock is needed.
    tags={LOCK_TAG: "none", "dagster/max_runtime": "86400"},
)


REASON_TAG = "studio/reason"
TRIGGER_TAG = "studio/trigger"
DIGEST_TAG = "studio/landing_digest"
ALARMS_TAG = "studio/alarms"

Trigger = Literal["landing", "schedule", "drift", "manual"]


def run_tags(trigger: Trigger, reason: str, **more: str) -> dict[str, str]:
    """Tags of a run: its origin, the reason as one sentence, and more without the leading `studio/`."""
    return {REASON_TAG: reason, TRIGGER_TAG: trigger, **{f"studio/{name}": v for name, v in more.items()}}


monthly = dg.FreshnessPolicy.cron(deadline_cron="0 12 3 * *", lower_bound_delta=timedelta(days=2, hours=12))
daily = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))


def with_freshness(assets: Iterable[Any], *, without: frozenset[str] = frozenset()) -> list[Any]:
    """Attach to each asset but those named in `without` the freshness policy of its group."""

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.to_user_string() in without:
            return spec
        policy = daily if spec.group_name == "monitoring" else monthly
        dated: dg.AssetSpec = dg.apply_freshness_policy(spec, policy)
        return dated

    return list(dg.map_asset_specs(with_policy, assets))


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


@dg.job(name="prune_versions", description="Remove old versions by the rules of `retention`.")
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
    metadata = release_metadata(release) | {"decision_kind": ROLLBACK, "decision": message, "findings": ""}
    metadata |= {"model_promoted": False, "published": True}
    tags = {"dagster/data_version": f"{release.model_version}/{release.data_version}"}
    event = dg.AssetMaterialization("registered_model", description=message, metadata=metadata, tags=tags)
    context.log_event(event)
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
