"""A table as the report draws it, and how numbers stand in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from studio_pipeline.evaluation.drawing import short_number
from studio_pipeline.evaluation.wording import DASH, per_cent


@dataclass(frozen=True)
class Table:
    """A table as the template draws it.

    Attributes:
        headings: one a column.
        rows: texts, one a column.
        best: (row, column) of cells to stress.
        text_columns: columns that are set flush left; the others are numbers.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: frozenset[tuple[int, int]] = frozenset()
    text_columns: frozenset[int] = field(default_factory=lambda: frozenset({0}))


def shown(value: float, form: str) -> str:
    """A number as text: a count, a share in per cent, a decimal, or any size; a dash where not finite."""
    if not math.isfinite(value):
        return DASH
    if form == "count":
        return f"{value:,.0f}"
    if form == "share":
        return per_cent(value)
    return f"{value:.2f}" if form == "decimal" else short_number(value)
