"""A table of figures of the service beside those of a bare app, with targets."""

from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True)
class Line:
    """A line of the table; `bare` and `ours` in the unit of `name`, `judged` what the target is about."""

    name: str
    bare: float | None
    ours: float
    judged: float
    target: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.judged >= self.target if self.at_least else self.judged <= self.target


def ratio_line(name: str, pairs: list[tuple[float, float]], target: float, at_least: bool = False) -> Line:
    """Medians of both, and of the ratio round by round."""
    bare, ours = (median(values) for values in zip(*pairs, strict=True))
    return Line(name, bare, ours, median(b / a for a, b in pairs), target, at_least)


def table(lines: list[Line]) -> str:
    width = max(len(line.name) for line in lines)
    rows = [f"{'':{width}}  {'bare':>9}  {'ours':>9}  {'judged':>9}  {'target':>9}"]
    for line in lines:
        bare = "" if line.bare is None else f"{line.bare:,.3f}"
        sign = ">=" if line.at_least else "<="
        target = f"{sign} {line.target:g}" if np.isfinite(line.target) else ""
        verdict = ("met" if line.met else "MISSED") if target else ""
        figures = f"{bare:>9}  {line.ours:9,.3f}  {line.judged:9,.3f}  {target:>9}"
        rows.append(f"{line.name:{width}}  {figures}  {verdict}")
    return "\n".join(rows)
