"""Numbers written as words."""

from __future__ import annotations

import re

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_SMALL = {word: float(value) for value, word in enumerate(_UNITS)}
_TENS = {
    "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0,
    "sixty": 60.0, "seventy": 70.0, "eighty": 80.0, "ninety": 90.0,
}  # fmt: skip
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "dozen": 12.0}
_ORDINALS = {
    "third": 3.0, "fourth": 4.0, "fifth": 5.0, "sixth": 6.0,
    "seventh": 7.0, "eighth": 8.0, "ninth": 9.0, "tenth": 10.0,
}  # fmt: skip
_PARTS = {"half": 2.0, "halves": 2.0, "quarter": 4.0, "quarters": 4.0} | {
    word + ending: value for word, value in _ORDINALS.items() for ending in ("", "s")
}
_TIMES = {
    **dict.fromkeys(("double", "doubles", "doubled", "doubling", "twice", "twofold", "couple"), 2.0),
    **dict.fromkeys(("triple", "triples", "tripled", "tripling", "thrice", "treble", "threefold"), 3.0),
    **dict.fromkeys(("quadruple", "quadruples", "quadrupled", "fourfold"), 4.0),
    **dict.fromkeys(("halve", "halved", "halving"), 0.5),
    "tenfold": 10.0,
    "single": 1.0,
}
_VAGUE = ("dozens", "hundreds", "thousands", "millions", "billions", "hundredfold")

NUMBER_WORDS: tuple[str, ...] = (*_SMALL, *_TENS, *_SCALES, *_PARTS, *_TIMES, *_VAGUE)
"""Words that make a number. `First` and `second` mostly order sentences, and are none."""

_PART_TOLERANCE = 0.005


def value_of_words(words: str) -> tuple[tuple[float, ...], float]:
    """What number words may mean, and half a unit of it; no value where that is not certain."""
    tokens = [word for word in re.split(r"[\s-]+", words.lower()) if word not in ("a", "an", "and")]
    if len(tokens) == 1 and tokens[0] in _TIMES:
        return (_TIMES[tokens[0]],), _PART_TOLERANCE
    *before, last = tokens
    if last in _PARTS:
        times = _cardinal(before) if before else 1.0
        if times is None:
            return (), 0.0
        # "The third month" is no part of anything, and a quarter of a year is three months.
        others = {"quarter": (3.0,)}.get(last, (_PARTS[last],) if last in _ORDINALS else ())
        return (times / _PARTS[last], *(() if before else others)), _PART_TOLERANCE
    value = _cardinal(tokens)
    return ((), 0.0) if value is None else ((value,), 0.5)


def _cardinal(tokens: list[str]) -> float | None:
    """A whole number; None where the words make none."""
    total, current = 0.0, 0.0
    for word in tokens:
        if word in _SMALL or word in _TENS:
            current += _SMALL.get(word, _TENS.get(word, 0.0))
        elif word in ("hundred", "dozen"):
            current = max(current, 1.0) * _SCALES[word]
        elif word in _SCALES:
            total, current = total + max(current, 1.0) * _SCALES[word], 0.0
        else:
            return None
    return total + current
