"""The synthetic fleet in the shape of raw months, as if a file of them had been read."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorOptions
from studio_pipeline.panel.landing import RawMonths, raw_from_numbers

FILE = "generator"
"""What stands where rows of files name their file."""


def generated_raw_months(options: GeneratorOptions) -> RawMonths:
    """The months of these options as text; each was first seen when it was over.

    No clock is read: the same options give the same rows, times included.
    """
    months = generate_months(options)
    raw = raw_from_numbers(months, FILE, datetime.fromtimestamp(0, tz=UTC))
    over = months["month_year"] + pd.offsets.MonthBegin(1)
    return RawMonths(
        raw.assign(first_seen=over.to_numpy()), unreadable=(), left_out={}, ignored_columns={}, hashes={}
    )
