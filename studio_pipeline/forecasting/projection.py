"""Forecasts of a model on a panel: from origins and levers to revenue, members and retention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.candidates import combine, stacked, with_learners
from studio_pipeline.forecasting.core import core_states, project_core
from studio_pipeline.forecasting.core_candidates import core_candidates
from studio_pipeline.forecasting.features import origin_features
from studio_pipeline.forecasting.folds import Origins
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.intervals import studio_scales
from studio_pipeline.forecasting.learning_rows import RowArray, Typical, row_features, typical_of_month
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.onnx_sessions import session_of
from studio_pipeline.forecasting.targets import TARGETS, core_targets, corrected
from studio_pipeline.forecasting.windows import cut_windows, features_at
from studio_pipeline.panel.arrays import FloatArray, StudioPanel


@dataclass(frozen=True)
class Projection:
    """N projections over H months.

    Attributes:
        targets: revenue, members and retention to (N, H).
        scale: (N,) scale of the revenue's residuals.
    """

    targets: Mapping[str, FloatArray]
    scale: FloatArray


class Projector:
    """A model and a panel, ready to project from any origin in it."""

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.model, self.panel = model, panel
        self.states = core_states(panel, model.core)
        self._sessions = {key: session_of(graph) for key, graph in model.graphs.items()}
        self._typical: dict[int, Typical] = {}

    def project(self, origins: Origins, levers: Mapping[str, FloatArray]) -> tuple[Projection, Projection]:
        """Projects N origins with levers given, and with every lever free.

        Args:
            origins: base months that the studios have.
            levers: lever to (N, 12) given values, NaN where free; an empty mapping frees all.

        Returns:
            The projection under the levers, and that without any; the same object where no lever is given.
        """
        windows = cut_windows(self.panel, origins.rows, origins.columns)
        scale = studio_scales(
            windows.values, self.model.intervals.panel_scale, self.model.intervals.own_scale_months
        )
        candidates, core_free = core_candidates(self.states, origins)
        typical = self._typical_of(origins)
        x = row_features(origin_features(windows), core_free, self.panel, origins, typical, {})
        free = Projection({t: self._combined(candidates[t], x, t) for t in TARGETS}, scale)
        if not levers:
            return free, free
        core_given = project_core(self.states, origins.rows, origins.columns, MAX_HORIZON_MONTHS, levers)
        given = under_levers(free.targets, core_targets(core_free), core_targets(core_given), levers)
        return Projection(given, scale), free

    def _combined(self, core_candidates: Mapping[str, FloatArray], x: RowArray, target: str) -> FloatArray:
        corrections = {
            learner: session.run(None, {"features": x})[0].reshape(-1, MAX_HORIZON_MONTHS).astype(np.float64)
            for (learner, of), session in self._sessions.items()
            if of == target
        }
        found = with_learners(core_candidates, corrections, target)
        return combine(stacked(found), self.model.weights[target])

    def _typical_of(self, origins: Origins) -> dict[int, Typical]:
        for column in np.unique(origins.columns):
            if int(column) not in self._typical:
                rows = np.arange(self.panel.n_studios)
                features = features_at(self.panel, rows, np.full(len(rows), column))
                self._typical[int(column)] = typical_of_month(features, self.states, int(column))
        return self._typical


def under_levers(
    free: Mapping[str, FloatArray],
    core_free: Mapping[str, FloatArray],
    core_given: Mapping[str, FloatArray],
    levers: Mapping[str, FloatArray],
) -> dict[str, FloatArray]:
    """The core under levers, with what the ensemble corrects of the free forecast kept where the levers leave
    it open.

    What is corrected of members goes where both of their flows are given, and what is corrected of revenue
    per member where the ticket is. Months before any lever is given are those of the free forecast, to the
    last bit.
    """
    pinned = {name: np.isfinite(levers[name]) if name in levers else False for name in _PINNING}
    with np.errstate(divide="ignore", invalid="ignore"):
        members = np.nan_to_num(np.log(free["members"] / core_free["members"]))
        revenue = np.nan_to_num(np.log(free["revenue"] / core_free["revenue"]))
    members_open = np.where(pinned["retention_rate"] & pinned["new_members_monthly"], 0.0, members)
    per_member_open = np.where(pinned["avg_ticket_price"], 0.0, revenue - members)
    retention_shift = np.log(_odds(free["retention"]) / _odds(core_free["retention"]))
    retention = corrected(core_given["retention"], retention_shift, "retention")
    if "retention_rate" in levers:
        retention = np.where(np.isfinite(levers["retention_rate"]), levers["retention_rate"], retention)
    held = {
        "revenue": core_given["revenue"] * np.exp(members_open + per_member_open),
        "members": core_given["members"] * np.exp(members_open),
        "retention": retention,
    }
    begun = np.logical_or.accumulate(np.any([np.isfinite(path) for path in levers.values()], axis=0), axis=1)
    return {target: np.where(begun, held[target], free[target]) for target in held}


_PINNING = ("retention_rate", "new_members_monthly", "avg_ticket_price")


def _odds(rate: FloatArray) -> FloatArray:
    inside = np.clip(rate, 1e-6, 1 - 1e-6)
    return np.asarray(inside / (1 - inside))
