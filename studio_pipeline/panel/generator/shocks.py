"""What hits every studio at once: a COVID-like shock and the rebound after it, by calendar month."""

from __future__ import annotations

import numpy as np

from studio_pipeline.panel.arrays import FloatArray, IntArray
from studio_pipeline.panel.generator.options import GeneratorOptions, month_number

CLOSURE: tuple[float, ...] = (
    0.70, 1.00, 0.80, 0.52, 0.40, 0.32, 0.30, 0.34, 0.48, 0.55, 0.48, 0.36,
    0.28, 0.20, 0.14, 0.10, 0.07, 0.04, 0.02,
)  # fmt: skip
"""Share of ordinary life shut down in each month of the shock."""

REBOUND: tuple[float, ...] = (
    0.02, 0.05, 0.08, 0.11, 0.14, 0.16, 0.17, 0.17, 0.16, 0.15, 0.13, 0.12,
    0.10, 0.08, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01,
)  # fmt: skip
"""What returning customers add to the log of new members, from `REBOUND_DELAY` months into the shock on."""

REBOUND_DELAY = 12


def closure(options: GeneratorOptions, month_numbers: IntArray) -> FloatArray:
    """(T,) depth of the common shock in each month, 0 (none) to 1; all 0 where the options have no shock."""
    return _course(options, month_numbers, CLOSURE, delay=0)


def rebound(options: GeneratorOptions, month_numbers: IntArray) -> FloatArray:
    """(T,) what the recovery adds to the log of new members in each month."""
    return _course(options, month_numbers, REBOUND, delay=REBOUND_DELAY)


def _course(
    options: GeneratorOptions, month_numbers: IntArray, table: tuple[float, ...], delay: int
) -> FloatArray:
    since = month_numbers - month_number(options.shock_month) - delay
    inside = (since >= 0) & (since < len(table)) & options.shock
    return np.where(inside, np.asarray(table)[np.clip(since, 0, len(table) - 1)], 0.0)
