"""Whether what an asset builds on passed its blocking checks, asked of Dagster's own records.

A run that materialises one asset alone does not meet the checks of earlier runs, so who publishes asks again.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from studio_pipeline.errors import ReleaseError


def refuse_unverified(instance: dg.DagsterInstance, check_keys: Sequence[dg.AssetCheckKey]) -> None:
    """Make sure that each check passed on the latest materialisation of its asset.

    Raises:
        ReleaseError: naming every check that failed, or never ran on what is stored now.
    """
    faults = [fault for key in check_keys if (fault := _fault(instance, key))]
    if faults:
        raise ReleaseError(
            f"Nothing was published: {'; '.join(faults)}.",
            "Correct the data and run everything again; what was published before stays.",
        )


def _fault(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> str | None:
    name = f"the check {key.name} of {key.asset_key.to_user_string()}"
    stored = instance.get_latest_materialization_event(key.asset_key)
    if stored is None:
        return f"{key.asset_key.to_user_string()} was never materialised"
    record = instance.get_latest_asset_check_evaluation_record(key)
    event = record.event.dagster_event if record and record.event else None
    if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return f"{name} never ran"
    evaluation = event.asset_check_evaluation_data
    target = evaluation.target_materialization_data
    if target is None or target.run_id != stored.run_id:
        return f"{name} did not run on what is stored now"
    return None if evaluation.passed else f"{name} failed"
