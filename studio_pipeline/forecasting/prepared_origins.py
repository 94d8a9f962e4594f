"""What an answer rests on before any lever is given: it depends on studio and base month alone, so it is made
once for many of them, and a question only adds its levers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from studio_pipeline.forecasting.flow_terms import FlowTerms
from studio_pipeline.forecasting.learning_rows import (
    RowArray,
)
from studio_pipeline.panel.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from studio_pipeline.forecasting.plain_origin import PlainOrigin


@dataclass(frozen=True)
class PreparedOrigins:
    """N origins, ready to be asked about; about 8 kB each.

    Attributes:
        rows: (N,) studio rows.
        columns: (N,) month columns of the base months.
        history_months: (N,) known months up to the base month.
        shown: (N, 8, 2) smallest and largest value of each lever up to the base month, in the order of
            `LEVER_COLUMNS`; NaN where none was shown.
        scale: (N, H) deviation of the revenue's log error.
        terms: what the stock-and-flow core runs on.
        core: (N, 3, H) the core's free projection of each of `TARGETS`.
        free: (N, 3, H) the ensemble's free forecast of each of `TARGETS`.
        kept: (N, 3, H) of `lever_ensemble.kept_factors`.
        learned: (N, 3, H) of `lever_ensemble.learned_parts`, every lever free.
        learner_shares: (N, 3, L, H) share of each learner in the ensemble.
        learner_rows: (N, H, F) float32 rows of the learners with every lever free.
        trailing_levels: (N, 7) of `given_features.trailing_levels`.

    L and F are 0 for a model without learners.
    """

    rows: IntArray
    columns: IntArray
    history_months: IntArray
    shown: FloatArray
    scale: FloatArray
    terms: FlowTerms
    core: FloatArray
    free: FloatArray
    kept: FloatArray
    learned: FloatArray
    learner_shares: FloatArray
    learner_rows: RowArray
    trailing_levels: FloatArray

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    @cached_property
    def plain(self) -> dict[int, PlainOrigin]:
        """Of some places, what `plain_origin` keeps at hand."""
        return {}

    def take(self, places: IntArray) -> PreparedOrigins:
        """Some of the origins, copied."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return PreparedOrigins(
            **{n: part.take(places) if n == "terms" else part[places] for n, part in parts.items()}
        )


def joined(parts: list[PreparedOrigins]) -> PreparedOrigins:
    """Several one behind the other."""
    names = [f.name for f in fields(PreparedOrigins) if f.name != "terms"]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return PreparedOrigins(**arrays, terms=FlowTerms.joined([part.terms for part in parts]))
