"""The panel as plain arrays, one row per studio and one column per calendar month: the input of every model.

Made from a table of validated months in `frames`, stored in `publishing.snapshots`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class StudioPanel:
    """Months of many studios on one calendar."""

    studio_ids: NDArray[np.str_]  # (S,) unique names, sorted
    studio_types: NDArray[np.str_]  # (S,) the type of each studio, "" where unknown
    first_month: np.datetime64  # calendar month of column 0
    # One (S, T) float64 array per numeric column of the contract; NaN where the studio lacks the month or the
    # month lacks the value.
    values: Mapping[str, FloatArray]

    @property
    def n_studios(self) -> int:
        """Number of studios, S."""
        return len(self.studio_ids)

    @property
    def n_months(self) -> int:
        """Number of calendar months, T."""
        return int(self.values["total_revenue"].shape[1])

    @cached_property
    def months(self) -> NDArray[np.datetime64]:
        """(T,) the calendar months, as datetime64[M]."""
        months: NDArray[np.datetime64] = self.first_month.astype("datetime64[M]") + np.arange(self.n_months)
        return months

    @cached_property
    def month_numbers(self) -> IntArray:
        """(T,) months since January 1970."""
        return self.months.astype(np.int64)

    @cached_property
    def calendar_months(self) -> IntArray:
        """(T,) month of the year, 0 for January to 11 for December."""
        return self.month_numbers % 12

    @cached_property
    def known(self) -> BoolArray:
        """(S, T) True where the studio has the month at all."""
        return np.isfinite(self.values["total_revenue"])

    @cached_property
    def last_months(self) -> IntArray:
        """(S,) column of each studio's last month; -1 for a studio without any."""
        last = self.n_months - 1 - self.known[:, ::-1].argmax(1)
        return np.where(self.known.any(1), last, -1).astype(np.int64)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each studio."""
        return {str(name): row for row, name in enumerate(self.studio_ids)}

    def column_of(self, month: np.datetime64) -> int:
        """Column of a calendar month; it may lie outside 0..T-1."""
        first = self.first_month.astype("datetime64[M]")
        return int((month.astype("datetime64[M]") - first).astype(np.int64))

    def until(self, column: int) -> StudioPanel:
        """The same studios with the months up to and including `column`."""
        return replace(self, values={name: array[:, : column + 1] for name, array in self.values.items()})

    def select(self, rows: IntArray | slice) -> StudioPanel:
        """Some of the studios, all months."""
        values = {name: array[rows] for name, array in self.values.items()}
        return StudioPanel(self.studio_ids[rows], self.studio_types[rows], self.first_month, values)


def ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    """`over` / `under`, of any shapes that broadcast; NaN where `under` is not above 0."""
    shape = np.broadcast(over, under).shape
    return np.asarray(np.divide(over, under, out=np.full(shape, np.nan), where=under > 0))
