"""The studio-months of one regression, and what is left of them without effects of studios and markets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray, IntArray

_PROJECTIONS = 20


@dataclass(frozen=True)
class PanelRows:
    """The studio-months of one regression.

    Attributes:
        outcome: (S, T).
        regressors: (K, S, T).
        known: (S, T) the months that take part.
        counting: (S,) variance that counting gives a month of each studio.
        groups: (S,) studios of one group share a market, 0..G-1.
        calendar_months: (T,) 0..11.
    """

    outcome: FloatArray
    regressors: FloatArray
    known: BoolArray
    counting: FloatArray
    groups: IntArray
    calendar_months: IntArray

    @property
    def stacked(self) -> FloatArray:
        """(S, T, K + 1) regressors and, last, the outcome; 0 in months that don't take part."""
        columns = np.concatenate([self.regressors, self.outcome[None]])
        return np.ascontiguousarray(np.where(self.known, columns, 0.0).transpose(1, 2, 0))

    @property
    def in_group(self) -> FloatArray:
        """(S, G) 1 where the studio belongs to the group."""
        return np.asarray((self.groups[:, None] == np.arange(self.groups.max() + 1)).astype(float))

    def select(self, studios: IntArray | slice) -> PanelRows:
        """Some of the studios."""
        return replace(
            self,
            outcome=self.outcome[studios],
            regressors=self.regressors[:, studios],
            known=self.known[studios],
            counting=self.counting[studios],
            groups=self.groups[studios],
        )


def without_effects(rows: PanelRows) -> FloatArray:
    """(K + 1, S, T) regressors and, last, the outcome, unweighted effects of studio and group-by-month out.

    Source: alternating projections, Guimaraes & Portugal (2010), The Stata Journal 10(4).
    """
    stacked = rows.stacked.transpose(2, 0, 1)
    in_group, known = rows.in_group, rows.known
    months, studios = np.maximum(known.sum(1), 1)[:, None], np.maximum(in_group.T @ known, 1)
    for _ in range(_PROJECTIONS):
        stacked = (stacked - stacked.sum(2, keepdims=True) / months) * known
        means = np.einsum("sg,kst->kgt", in_group, stacked) / studios
        stacked = (stacked - means[:, rows.groups]) * known
    return np.asarray(stacked)
