"""The interventions that predictions are held against: one lever changed, everything else left to respond."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.generator.options import HELD_BOUNDS

Levers = dict[str, FloatArray]
"""Lever to the values that (S,) studios hold it at."""

WHOLE_LEVERS = ("new_members_monthly", "total_classes_held", "current_member_count")
"""Levers that count something."""

CHANGED_LEVERS: dict[str, str] = {
    "price_up_10": "avg_ticket_price",
    "price_down_10": "avg_ticket_price",
    "retention_up_2": "retention_rate",
    "new_up_25": "new_members_monthly",
    "classes_up_25": "total_classes_held",
}
"""Each partial intervention, and the lever that it changes."""


def partial_interventions(now: Mapping[str, FloatArray]) -> dict[str, Levers]:
    """What is held, by name: one lever a little way from where it stands; all others stay free.

    Args:
        now: lever to (S,) present values.
    """
    changed = {
        "price_up_10": now["avg_ticket_price"] * 1.1,
        "price_down_10": now["avg_ticket_price"] * 0.9,
        "retention_up_2": now["retention_rate"] + 0.02,
        "new_up_25": now["new_members_monthly"] * 1.25,
        "classes_up_25": now["total_classes_held"] * 1.25,
    }
    return {name: allowed({CHANGED_LEVERS[name]: values}) for name, values in changed.items()}


def allowed(levers: Mapping[str, FloatArray]) -> Levers:
    """Counts in whole numbers, the rest to four digits, all within what the generator may hold them at."""
    rounded = {lever: np.rint(v) if lever in WHOLE_LEVERS else v.round(4) for lever, v in levers.items()}
    return {lever: np.clip(v, *HELD_BOUNDS[lever]) for lever, v in rounded.items()}
