"""Tags of the runs that the automation asks for: why, by what, and for which content or alarms."""

from __future__ import annotations

from typing import Literal

REASON_TAG = "studio/reason"
TRIGGER_TAG = "studio/trigger"
DIGEST_TAG = "studio/landing_digest"
ALARMS_TAG = "studio/alarms"

Trigger = Literal["landing", "schedule", "drift", "manual"]


def run_tags(trigger: Trigger, reason: str, **more: str) -> dict[str, str]:
    """The tags of a run.

    Args:
        trigger: what asked for it.
        reason: one sentence.
        more: value by name, without the leading `studio/`.
    """
    return {REASON_TAG: reason, TRIGGER_TAG: trigger, **{f"studio/{name}": v for name, v in more.items()}}
