"""What an answer is made of, besides the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from studio_pipeline.forecasting.given_months import FirstMonths
from studio_pipeline.forecasting.queries import ForwardQuery
from studio_pipeline.forecasting.query_warnings import KnownOfStudio
from studio_pipeline.panel.arrays import FloatArray


class AnswerParts(NamedTuple):
    """Of one answer.

    Attributes:
        query: what is asked.
        levers: lever to its value in each of 12 months, NaN where free.
        first: since when levers are given.
        given: (3, 12) revenue, members and retention under the query's levers.
        free: the same with every lever free.
        scale: (12,) deviation of the revenue's log error with every lever free.
        base_month: the last known month.
        known: of the studio, for its history and warnings.
        execution: (J, 12) effects of `execution_effects`; None where levers are carried out exactly.
    """

    query: ForwardQuery
    levers: Mapping[str, list[float]]
    first: FirstMonths
    given: FloatArray
    free: FloatArray
    scale: Sequence[float]
    base_month: np.datetime64
    known: KnownOfStudio
    execution: FloatArray | None = None
