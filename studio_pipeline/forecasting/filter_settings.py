"""What a flow's filter is tuned by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class FilterSettings:
    """What one flow's filter is tuned by; variances are on the flow's scale squared.

    Attributes:
        level_variance: monthly variance of the slow level's steps.
        deviation_variance: monthly variance of the fast deviation's steps.
        deviation_persistence: monthly survival of the fast deviation, 0..1.
        noise_variance: of a single month beyond counting noise.
        between_variance: of studios around their type's mean.
        own_season_months: observations of a calendar month at which the studio's own season counts half.
        common_gain: share of the studios' mean surprise that is taken as a move of the market, 0..1.
        common_persistence: monthly survival of the market's move in a forecast, 0..1.
        jump_threshold: surprises beyond so many standard deviations are followed at once (a posted price).
        clip_threshold: surprises beyond so many standard deviations are cut (a flood).
        drift_damping: monthly damping of the drift in a forecast; 0 for no drift.
        own_drift_share: share of a studio's own drift, the rest is the panel's, 0..1.
        common_drift_damping: monthly damping of the market's own drift in a forecast; 0 for none.
        amplitude_variance: of how strongly studios follow their type's season, around 1; 0 where alike.
    """

    level_variance: float
    deviation_variance: float
    deviation_persistence: float
    noise_variance: float
    between_variance: float
    own_season_months: float
    common_gain: float
    common_persistence: float
    jump_threshold: float
    clip_threshold: float
    drift_damping: float
    own_drift_share: float
    common_drift_damping: float = 0.0
    amplitude_variance: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Plain numbers for JSON."""
        return asdict(self)


def stack_settings(settings: Sequence[FilterSettings]) -> dict[str, FloatArray]:
    """Each setting as a (P, 1) array."""
    return {
        f.name: np.array([[getattr(s, f.name)] for s in settings], dtype=float)
        for f in fields(FilterSettings)
    }
