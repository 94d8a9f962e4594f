"""What levers in fact did after an origin: what forecasts with "levers known", and learners, are given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.panel.arrays import BoolArray, FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS

HELD_LEVERS: tuple[str, ...] = tuple(name for name in LEVER_COLUMNS if name != "current_member_count")
"""Levers that are held over the projected months; the member count is a starting point."""


def known_levers(panel: StudioPanel, origins: Origins, horizon_months: int) -> dict[str, FloatArray]:
    """Lever to its (N, H) values after N origins; NaN where the month or its value is not known (yet)."""
    steps = origins.columns[:, None] + np.arange(1, horizon_months + 1)
    inside = steps < panel.n_months
    steps = np.minimum(steps, panel.n_months - 1)
    rows = origins.rows[:, None]
    return {
        lever: np.where(inside, panel.values[LEVER_COLUMNS[lever]][rows, steps], np.nan)
        for lever in HELD_LEVERS
    }


def drawn_masks(n_origins: int, rng: np.random.Generator) -> BoolArray:
    """(N, L) which of `HELD_LEVERS` are given: none in a quarter of the rows, all in another, else any."""
    kind = rng.integers(0, 4, n_origins)[:, None]
    some = rng.random((n_origins, len(HELD_LEVERS))) < 0.5
    return np.where(kind == 0, False, np.where(kind == 1, True, some))


def given_levers(levers: Mapping[str, FloatArray], given: BoolArray) -> dict[str, FloatArray]:
    """The paths of the levers that (N, L) `given` marks, NaN elsewhere."""
    return {lever: np.where(given[:, k, None], levers[lever], np.nan) for k, lever in enumerate(HELD_LEVERS)}
