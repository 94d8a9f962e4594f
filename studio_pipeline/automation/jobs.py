"""Jobs that the automation requests, tags of their runs, and freshness policies of the assets.

Assets of a release must be renewed between the start of a month and noon of its third day, six hours after
the schedule `monthly_refresh`; monitoring assets within 26 hours, as they run daily. Dagster's daemon
evaluates the policies but starts no run. Assets that the refresh does not materialise have no policy.
Schedules are in `sensors`; pruning and rollback are in `upkeep_jobs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

import dagster as dg

from studio_pipeline.resources.run_configuration import LOCK_TAG
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
    """Tags of a run.

    Args:
        trigger: origin of the request.
        reason: one sentence.
        more: value by name, without the leading `studio/`.
    """
    return {REASON_TAG: reason, TRIGGER_TAG: trigger, **{f"studio/{name}": v for name, v in more.items()}}


MONITORING = "monitoring"

monthly = dg.FreshnessPolicy.cron(deadline_cron="0 12 3 * *", lower_bound_delta=timedelta(days=2, hours=12))
daily = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))


def with_freshness(assets: Iterable[Any], *, without: frozenset[str] = frozenset()) -> list[Any]:
    """Attach to each asset the freshness policy of its group.

    Args:
        assets: asset definitions without policies.
        without: names of assets that get no policy.
    """

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.to_user_string() in without:
            return spec
        policy = daily if spec.group_name == MONITORING else monthly
        dated: dg.AssetSpec = dg.apply_freshness_policy(spec, policy)
        return dated

    return list(dg.map_asset_specs(with_policy, assets))
