"""JSON as the standard has it: no NaN, no infinity, and no key twice in an object, which would be ignored."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

MOST_FIELDS = 100
"""Of one object in a body. Every field that a route doesn't know costs time to refuse."""


def read_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        json.JSONDecodeError: it is none, or holds NaN, an infinity, a key twice or too many in one object.
        UnicodeDecodeError: it is no UTF-8.
        ValueError: a whole number has more digits than Python reads.
        RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(body.decode("utf-8-sig"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_FIELDS:
        raise json.JSONDecodeError(
            f"an object has {len(pairs):,} fields, and none has over {MOST_FIELDS}", "", 0
        )
    values = dict(pairs)
    if len(values) < len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, count in names.items() if count > 1)
        raise json.JSONDecodeError(f"the key {json.dumps(twice[:100])} stands twice in one object", "", 0)
    return values


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is no number in JSON; write one, or null", "", 0)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
