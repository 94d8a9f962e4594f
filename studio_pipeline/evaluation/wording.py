"""How numbers and lists stand in a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

DASH = "\N{EN DASH}"
"""What stands where a number can't be computed."""


def per_cent(share: float, digits: int = 1) -> str:
    """0.123 as "12.3 %", a dash where it is not finite."""
    return f"{100 * share:.{digits}f} %" if math.isfinite(share) else DASH


def joined(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
