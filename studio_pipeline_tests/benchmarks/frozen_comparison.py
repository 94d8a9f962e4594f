"""How two records of `frozen_record` are held beside each other."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

EXACT = "exact_sha256"
"""The key of a hash of floats or of a model's bytes, which is compared only where no tolerance is given."""

SHOWN = 20
LEAST_RELATIVE = {"batch.jsonl": 1e-9}
"""The service cuts a batch into parts by how long they take, and the last digits of an answer hang on which
others are computed with it.
"""
TEXTS = ("description", "summary")


@dataclass(frozen=True)
class Comparison:
    relative: float
    ignores_descriptions: bool

    def differences(self, one: Any, other: Any, path: str = "$") -> Iterator[tuple[str, Any, Any]]:
        """JSON paths where two values differ, and what stands there."""
        if isinstance(one, dict) and isinstance(other, dict):
            for key in sorted(one.keys() | other.keys()):
                pair = one.get(key, "<absent>"), other.get(key, "<absent>")
                is_text = key in TEXTS and all(isinstance(value, str | None) for value in pair)
                is_left_out = (self.relative and key == EXACT) or (self.ignores_descriptions and is_text)
                if not is_left_out:
                    yield from self.differences(*pair, f"{path}.{key}")
        elif isinstance(one, list) and isinstance(other, list):
            for number, pair in enumerate(zip_longest(one, other, fillvalue="<absent>")):
                yield from self.differences(*pair, f"{path}[{number}]")
        elif not self.are_same(one, other):
            yield path, one, other

    def are_same(self, one: Any, other: Any) -> bool:
        """Numbers within the tolerance; a type is part of an answer."""
        if isinstance(one, float) and isinstance(other, float):
            near_zero = 1e-9 if self.relative else 0.0
            both_unknown = math.isnan(one) and math.isnan(other)
            return both_unknown or math.isclose(one, other, rel_tol=self.relative, abs_tol=near_zero)
        return type(one) is type(other) and bool(one == other)

    def folders(self, one: Path, other: Path) -> Iterator[str]:
        """Differences of all lines of two records, in words."""
        names = {str(path.relative_to(root)) for root in (one, other) for path in root.rglob("*.jsonl")}
        for name in sorted(names):
            if not ((one / name).exists() and (other / name).exists()):
                yield f"{name}: only in {one if (one / name).exists() else other}"
                continue
            within = replace(self, relative=max(self.relative, LEAST_RELATIVE.get(Path(name).name, 0.0)))
            with (one / name).open(encoding="utf-8") as left, (other / name).open(encoding="utf-8") as right:
                for number, pair in enumerate(zip_longest(left, right, fillvalue='"<absent>"'), 1):
                    if pair[0] != pair[1]:
                        for path, a, b in within.differences(*map(json.loads, pair)):
                            yield f"{name}:{number} {path}\n    {shown(a)}\n    {shown(b)}"


def shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
