"""One flow's regression: its months, the cut of months no course of events foretells, and what is used.

Every flow is regressed by generalised least squares with an effect for each studio and for each type's
calendar month.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.forecasting.error_components import ErrorComponents, error_components
from studio_pipeline.forecasting.flows import FlowSeries
from studio_pipeline.forecasting.panel_rows import PanelRows, without_effects
from studio_pipeline.forecasting.response_priors import ResponsePriors
from studio_pipeline.forecasting.response_regression import Information, Slopes, information
from studio_pipeline.forecasting.response_selection import CONTROLS, Candidate, Selection, select
from studio_pipeline.forecasting.responses import OwnResponses
from studio_pipeline.forecasting.studio_slopes import own_responses
from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray, StudioPanel

_FEWEST_ROWS = 60
_FEWEST_OF_TYPE = 5
_CUT_SURPRISE = 3.5
_MONTHS_AFTER_CUT = 2
_ROUNDS = 2


@dataclass(frozen=True)
class ResponseFit:
    """One flow's regression.

    Attributes:
        rows: the studio-months of all studios, all candidates.
        sampled: (M,) studios that speak for the panel.
        components: of the errors.
        info: of the sampled studios.
        selection: the regressors that are used.
    """

    rows: PanelRows
    sampled: IntArray
    components: ErrorComponents
    info: Information
    selection: Selection

    @classmethod
    def of(
        cls,
        flow: FlowSeries,
        candidates: list[Candidate],
        types: IntArray,
        calendar_months: IntArray,
        months: slice,
        sampled: IntArray,
    ) -> ResponseFit | None:
        """None where too few months show the flow and what it may respond to."""
        seen = np.isfinite(flow.values[:, months])
        shown = [
            c for c in candidates if (seen & np.isfinite(c.values[:, months])).sum() > 0.5 * seen.sum() > 0
        ]
        if all(c.name in CONTROLS for c in shown):
            return None
        known = seen & np.isfinite([c.values[:, months] for c in shown]).all(0)
        if known[sampled].sum() < _FEWEST_ROWS:
            return None
        rows = PanelRows(
            flow.values[:, months],
            np.stack([c.values[:, months] for c in shown]),
            known,
            _counting(flow.counting_variance[:, months], known),
            _groups(types, sampled),
            calendar_months[months],
        )
        sample = rows.select(sampled)
        first = _first_of_each(shown)
        components, kept = _weighed(sample, first)
        info = information(replace(sample, known=kept), components)
        return cls(rows, sampled, components, info, select(info, shown))

    def own(self, panel: StudioPanel, priors: ResponsePriors) -> dict[str, OwnResponses]:
        """What single studios' months say of the responses that rest on data."""
        return own_responses(self.rows, self.components, self.info, self.selection, panel.studio_ids, priors)


def _first_of_each(candidates: list[Candidate]) -> list[int]:
    names = [c.name for c in candidates]
    return [k for k, name in enumerate(names) if names.index(name) == k]


def _weighed(rows: PanelRows, first: list[int]) -> tuple[ErrorComponents, BoolArray]:
    """The errors' components, and the months left after those no course of events foretells are cut, with the
    months that they linger in.
    """
    few = replace(rows, regressors=rows.regressors[first])
    every, known = list(range(len(first))), rows.known
    left = without_effects(few)
    gram = np.einsum("kst,lst->kl", left[:-1], left[:-1])
    slope = np.linalg.pinv(gram, hermitian=True) @ np.einsum("kst,st->k", left[:-1], left[-1])
    for _ in range(_ROUNDS):
        part = replace(few, known=known)
        left = without_effects(part)
        components = error_components(part, left[-1] - np.einsum("k,kst->st", slope, left[:-1]))
        info = information(part, components)
        result: Slopes = info.slopes(every)
        slope = result.slope
        far = np.abs(info.surprises(every, slope)) > _CUT_SURPRISE * np.sqrt(result.scale)
        cut = far & known
        for month in range(1, _MONTHS_AFTER_CUT + 1):
            cut[:, month:] |= (far & known)[:, :-month]
        known = known & ~cut
    return components, known


def _counting(variance: FloatArray, known: BoolArray) -> FloatArray:
    """(S,) harmonic mean: a month's own count would weigh it by its luck, and lucky ones would seem exact."""
    inverse = np.where(known & (variance > 0), 1 / np.where(variance > 0, variance, 1.0), 0.0)
    counted = inverse > 0
    return np.where(counted.any(1), counted.sum(1) / np.maximum(inverse.sum(1), 1e-12), 0.0)


def _groups(types: IntArray, sampled: IntArray) -> IntArray:
    """(S,) types, those of few studios together."""
    counts = np.bincount(types[sampled], minlength=int(types.max()) + 1)
    numbers = np.where(counts >= _FEWEST_OF_TYPE, np.cumsum(counts >= _FEWEST_OF_TYPE), 0)
    return np.asarray(np.unique(numbers[types], return_inverse=True)[1].reshape(-1), dtype=np.int64)
