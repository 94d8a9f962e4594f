"""Reader of the numbers in an English text: digits, number words, percentages, months and fractions.

It serves the check of a narrative against its facts. A number of uncertain value is returned without values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

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
"""Words that form a number. `first` and `second` are left out, as they mostly order sentences."""

_PART_TOLERANCE = 0.005


def value_of_words(words: str) -> tuple[tuple[float, ...], float]:
    """Possible values of number words, and half a unit of the last digit; no value if it is uncertain."""
    tokens = [word for word in re.split(r"[\s-]+", words.lower()) if word not in ("a", "an", "and")]
    if len(tokens) == 1 and tokens[0] in _TIMES:
        return (_TIMES[tokens[0]],), _PART_TOLERANCE
    *before, last = tokens
    if last in _PARTS:
        times = _cardinal(before) if before else 1.0
        if times is None:
            return (), 0.0
        # "The third month" is an ordinal and not a fraction; "a quarter" may mean three months.
        others = {"quarter": (3.0,)}.get(last, (_PARTS[last],) if last in _ORDINALS else ())
        return (times / _PARTS[last], *(() if before else others)), _PART_TOLERANCE
    value = _cardinal(tokens)
    return ((), 0.0) if value is None else ((value,), 0.5)


def _cardinal(tokens: list[str]) -> float | None:
    """Whole number from its words; None if they form none."""
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


_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"), "-")
_SCALES_NUMBERS_IN_TEXT = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
_PERCENT = ("%", "percent", "per cent", "point", "points", "percentage point", "percentage points", "pp")

_ISO_MONTH = re.compile(r"(?<![\w.,-])(\d{4})-(\d{2})(?:-01)?(?![\w-])")
_NAMED_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})\s+(\d{{4}})\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w%)])[-+])?(?:[$\u00a3\u20ac\u00a5]\s?(?P<inner>[-+])?)?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?P<decimals>\.\d+)?(?P<exponent>[eE][-+]?\d+)?"
    r"(?P<unit>\s?(?:%|per\s?cent\b|percentage points?\b|points?\b|pp\b|k\b|m\b|bn\b|thousand\b|million\b|"
    r"billion\b))?",
    re.IGNORECASE,
)
_WORDS = re.compile(
    rf"\b(?:(?:a|an)\s+(?=hundred|thousand|million|billion|dozen|third|quarter|fifth|tenth))?"
    rf"(?:{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})"
    rf"(?:(?:[\s-]+(?:and\s+(?:a\s+)?)?)(?:{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))}))*\b"
    r"(?P<unit>\s(?:percent|per\s?cent|percentage points?|points?)\b)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WrittenNumber:
    """A number in a text.

    Attributes:
        text: as written there.
        values: possible values; none if they are uncertain.
        tolerance: half a unit of the last digit shown.
        is_signed: whether it is written with a sign; else only its size is stated.
        is_percent: whether it is written as percent or points; `values` are hundredths of that.
        month: YYYY-MM of a month; None for all other numbers.
    """

    text: str
    values: tuple[float, ...] = ()
    tolerance: float = 0.0
    is_signed: bool = False
    is_percent: bool = False
    month: str | None = None


def numbers_in(text: str, names: Sequence[str] = ()) -> list[WrittenNumber]:
    """Finds all numbers in a text.

    Args:
        text: of any origin.
        names: names that may contain digits, such as a studio's; ignored after the word "studio".
    """
    found = [WrittenNumber(sign) for sign in text if _is_odd(sign)]
    rest = "".join(_plain(sign) for sign in unicodedata.normalize("NFKC", text)).translate(_DASHES)
    for name in sorted(names, key=len, reverse=True):
        own = unicodedata.normalize("NFKC", name).translate(_DASHES)
        rest = re.sub(rf"(?<=\bstudio ){re.escape(own)}(?!\w)", " ", rest, flags=re.IGNORECASE)
    for pattern, read in (
        (_ISO_MONTH, _iso_month),
        (_NAMED_MONTH, _named_month),
        (_NUMBER, _digits),
        (_WORDS, _words),
    ):
        found += [read(match) for match in pattern.finditer(rest)]
        rest = pattern.sub(" ; ", rest)
    return found


def _is_odd(sign: str) -> bool:
    """True for characters that are numeric but no digit: fractions, superscripts, Roman numerals."""
    return unicodedata.category(sign) != "Nd" and unicodedata.numeric(sign, None) is not None


def _plain(sign: str) -> str:
    return str(unicodedata.decimal(sign)) if unicodedata.category(sign) == "Nd" else sign


def _iso_month(match: re.Match[str]) -> WrittenNumber:
    return WrittenNumber(match[0], month=f"{match[1]}-{match[2]}")


def _named_month(match: re.Match[str]) -> WrittenNumber:
    return WrittenNumber(match[0], month=f"{match[2]}-{_MONTHS.index(match[1].lower()) + 1:02d}")


def _digits(match: re.Match[str]) -> WrittenNumber:
    shown = match["whole"].replace(",", "") + (match["decimals"] or "") + (match["exponent"] or "")
    signs = (match["sign"] or "") + (match["inner"] or "")
    digits = len(match["decimals"] or ".") - 1
    unit = 10.0 ** (int((match["exponent"] or "e0")[1:]) - digits)
    factor = _factor(match["unit"])
    value = float(shown) * factor * (-1 if signs.count("-") % 2 else 1)
    return WrittenNumber(match[0].strip(), (value,), 0.5 * unit * factor, bool(signs), factor < 1)


def _words(match: re.Match[str]) -> WrittenNumber:
    factor = _factor(match["unit"])
    words = match[0][: match.start("unit") - match.start()] if match["unit"] else match[0]
    values, tolerance = value_of_words(words)
    return WrittenNumber(
        match[0], tuple(value * factor for value in values), tolerance * factor, False, factor < 1
    )


def _factor(unit: str | None) -> float:
    """Factor of a unit: 0.01 for percent and points, its value for words such as "thousand", else 1."""
    word = re.sub(r"\s+", " ", (unit or "").strip().lower())
    return 0.01 if word in _PERCENT else _SCALES_NUMBERS_IN_TEXT.get(word, 1.0)
