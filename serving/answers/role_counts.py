"""How many answers each model gave."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RoleCounts:
    """Answers that were shown, by the role of the model that gave them."""

    counters: dict[str, int] = field(default_factory=lambda: {"champion": 0, "challenger": 0})
