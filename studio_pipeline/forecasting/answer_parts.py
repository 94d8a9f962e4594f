"""What an answer is made of, besides the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from studio_pipeline.forecasting.given_months import FirstMonths
from studio_pipeline.forecasting.queries import ForwardQuery, PlainMonths
from studio_pipeline.forecasting.query_warnings import KnownOfStudio
from studio_pipeline.panel.arrays import FloatArray


class AnswerParts(NamedTuple):
    """Of one answer.

    Attributes:
        query: what is asked.
        levers: lever to its value in each of 12 months, NaN where free.
        first: since when levers are given.
        given: revenue, members and retention in each of 12 months under the query's levers.
        free: (3, 12) the same with every lever free.
        scale: (12,) deviation of the revenue's log error with every lever free.
        base_month: the last known month.
        known: of the studio, for its history and warnings.
        execution: (J, 12) effects of `execution_effects`; None where levers are carried out exactly.
    """

    query: ForwardQuery
    levers: Mapping[str, list[float]]
    first: FirstMonths
    given: PlainMonths
    free: FloatArray
    scale: Sequence[float]
    base_month: np.datetime64
    known: KnownOfStudio
    execution: FloatArray | None = None

    def given_arrays(self) -> FloatArray:
        """(3, h) of `given` in the projected months."""
        return np.array(self.given[: self.query.projection_months]).T
