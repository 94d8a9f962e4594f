"""How old an asset may be before the web UI calls it stale.

What a release is made of must be renewed between the turn of a month and noon of its third day, six hours
after the schedule `monthly_refresh` asks for it; what watches the release, within 26 hours, as it runs daily.
Dagster's daemon judges this and asks for no run. Assets that the refresh doesn't make have no such date.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import dagster as dg

MONITORING = "monitoring"

monthly = dg.FreshnessPolicy.cron(deadline_cron="0 12 3 * *", lower_bound_delta=timedelta(days=2, hours=12))
daily = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))


def with_freshness(assets: Iterable[Any], *, without: frozenset[str] = frozenset()) -> list[Any]:
    """The same assets, each with the policy of its group.

    Args:
        assets: asset definitions without policies.
        without: names of assets that no date is set for.
    """

    def judged(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.to_user_string() in without:
            return spec
        policy = daily if spec.group_name == MONITORING else monthly
        dated: dg.AssetSpec = dg.apply_freshness_policy(spec, policy)
        return dated

    return list(dg.map_asset_specs(judged, assets))
