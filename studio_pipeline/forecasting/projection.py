"""Projections of prepared origins under levers: from levers to revenue, members and retention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from studio_pipeline.forecasting.given_months import FirstMonths, given_months, months_from
from studio_pipeline.forecasting.learning_rows import with_given, with_given_of_one
from studio_pipeline.forecasting.lever_ensemble import FreeEnsemble, learned_parts, under_levers
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.forecasting.one_studio import run_one
from studio_pipeline.forecasting.onnx_sessions import LearnerGraphs
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.plain_origin import corrected, plain_origin
from studio_pipeline.forecasting.preparation import Preparation
from studio_pipeline.forecasting.prepared_origins import PreparedOrigins
from studio_pipeline.forecasting.queries import PlainMonths
from studio_pipeline.forecasting.stock_and_flow import simulate_terms
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

LeverLists = Mapping[str, list[float]]
"""Lever to its value in each of H months, NaN where free."""


@dataclass(frozen=True)
class Projection:
    """N projections over H months.

    Attributes:
        targets: revenue, members and retention to (N, H).
        scale: (N, H) deviation of the revenue's log error with every lever free.
    """

    targets: Mapping[str, FloatArray]
    scale: FloatArray


class Projector:
    """A model and a panel, ready to project from any origin in it."""

    def __init__(self, model: StudioModel, panel: StudioPanel) -> None:
        self.preparation = Preparation(model, panel)

    def project(self, origins: Origins, levers: Mapping[str, FloatArray]) -> tuple[Projection, Projection]:
        """Projects N origins with levers given, and with every lever free.

        Args:
            origins: base months that the studios have.
            levers: lever to (N, 12) given values, NaN where free; an empty mapping frees all.

        Returns:
            The projection under the levers, and that without any; the same object where no lever is given.
        """
        prepared = self.preparation.prepare(origins)
        free = Projection(dict(zip(TARGETS, prepared.free.swapaxes(0, 1), strict=True)), prepared.scale)
        if not levers:
            return free, free
        given = project_many(prepared, self.preparation.graphs, levers)
        return Projection(dict(zip(TARGETS, given.swapaxes(0, 1), strict=True)), prepared.scale), free


def project_many(
    prepared: PreparedOrigins, graphs: LearnerGraphs, levers: Mapping[str, FloatArray]
) -> FloatArray:
    """(N, 3, H) revenue, members and retention of N prepared origins under levers.

    Args:
        prepared: the origins.
        graphs: of the learners.
        levers: lever to (N, H) given values, NaN where free.
    """
    paths = simulate_terms(prepared.terms, levers)
    core = np.stack([paths.revenue, paths.members, paths.retention_rate], 1)
    ensemble = FreeEnsemble(prepared.core, prepared.free, prepared.kept, prepared.learned)
    months, retention = given_months(levers), levers.get("retention_rate")
    if not graphs.learners:
        return under_levers(ensemble, core, months, retention)
    corrections = graphs.corrections(with_given(prepared.learner_rows, prepared.trailing_levels, levers))
    learned = learned_parts(prepared.learner_shares, corrections, prepared.core[:, 2])
    return under_levers(ensemble, core, months, retention, learned)


def project_one(
    prepared: PreparedOrigins, place: int, graphs: LearnerGraphs, levers: LeverLists, first: FirstMonths
) -> PlainMonths:
    """Revenue, members and retention of one prepared origin under levers, month by month: what `project_many`
    gives, in a tenth of its time.

    Args:
        prepared: holds the origin.
        place: its place there.
        graphs: of the learners.
        levers: at least one.
        first: since when they are given.
    """
    origin = plain_origin(prepared, place)
    core = run_one(origin.terms, levers)
    retention = levers.get("retention_rate")
    if not graphs.learners:
        return corrected(origin, core, first, retention)
    rows = with_given_of_one(prepared.learner_rows[place], prepared.trailing_levels[place], levers)
    corrections = graphs.corrections_of_one(rows, first)
    learned = learned_parts(prepared.learner_shares[place], corrections, prepared.core[place, 2])
    held = None if retention is None else np.array(retention)
    found: PlainMonths = under_levers(
        origin.ensemble, np.array(core), months_from(first), held, learned
    ).T.tolist()
    return found
