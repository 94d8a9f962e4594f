"""Arithmetic that a formula is written in once, for one studio on plain numbers or for many on arrays.

One month of one studio is some fifty operations: as arrays of one entry they cost twenty times what they cost
as plain numbers, and a thousand studios as plain numbers cost a hundred times what they cost as arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from studio_pipeline.panel.arrays import BoolArray, FloatArray

Number = TypeVar("Number", float, FloatArray)
Truth = bool | BoolArray

LARGEST_EXPONENT = 700.0
"""Beyond it `exp` of a plain number is an error and that of an array infinite: formulas keep below it."""


@dataclass(frozen=True)
class Arithmetic(Generic[Number]):
    """The operations that plain numbers and arrays spell differently; NaN stands for unknown in both.

    Attributes:
        exp: of at most `LARGEST_EXPONENT`.
        log: of positive numbers.
        minimum: the smaller of a number and a bound; unknown where the number is.
        maximum: the larger of a number and a bound; unknown where the number is.
        ratio: the first over the second; unknown where the second is not positive.
        known: whether a number is finite.
        choose: the second where the first is true, else the third.
    """

    exp: Callable[[Number], Number]
    log: Callable[[Number], Number]
    minimum: Callable[[Number, Number | float], Number]
    maximum: Callable[[Number, Number | float], Number]
    ratio: Callable[[Number, Number], Number]
    known: Callable[[Number], Truth]
    choose: Callable[[Truth, Number | float, Number | float], Number]


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


# The built-in min and max take four times as long.
def _minimum(a: float, b: float) -> float:
    return b if b < a else a


def _maximum(a: float, b: float) -> float:
    return b if b > a else a


def _choose(condition: Truth, a: float, b: float) -> float:
    return a if condition else b


def _ratios(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.divide(a, b, out=np.full(np.broadcast(a, b).shape, np.nan), where=b > 0))


PLAIN: Arithmetic[float] = Arithmetic(math.exp, math.log, _minimum, _maximum, _ratio, math.isfinite, _choose)
"""One studio."""

ARRAYS: Arithmetic[FloatArray] = Arithmetic(
    np.exp, np.log, np.minimum, np.maximum, _ratios, np.isfinite, np.where
)
"""Many studios at once."""
