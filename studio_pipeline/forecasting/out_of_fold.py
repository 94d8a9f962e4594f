"""Forecasts of fits that had not seen the months they forecast, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio_pipeline.forecasting.core_candidates import CORE_CANDIDATES, DIRECT_FLOWS
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.lever_known_forecasts import KnownLeverForecasts, YoungForecasts
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.forecasting.young_studios import YOUNG_MONTHS
from studio_pipeline.panel.arrays import FloatArray, IntArray

_LEVELS = ("direct", "smoothing")
_PLACES = "young.places"


@dataclass(frozen=True)
class OutOfFold:
    """Forecasts of fits that had not seen the months they forecast; N origins, H = 12 months.

    Attributes:
        fold: (N,) number of the fold that forecast the origin.
        origins: the origins.
        actual: target to (N, H); NaN where not known.
        last_known: target to (N,), the base month itself.
        candidates: target to candidate to (N, H).
        known: the core's forecasts under levers as they then were.
        young: the core's forecasts of some origins from short histories.
    """

    fold: IntArray
    origins: Origins
    actual: dict[str, FloatArray]
    last_known: dict[str, FloatArray]
    candidates: dict[str, dict[str, FloatArray]]
    known: KnownLeverForecasts
    young: YoungForecasts

    def arrays(self) -> dict[str, Any]:
        """Everything under flat names."""
        found: dict[str, Any] = {
            "fold": self.fold,
            "rows": self.origins.rows,
            "columns": self.origins.columns,
            "masks": self.known.masks,
            "known_drawn": self.known.drawn,
            _PLACES: self.young.places,
        }
        for target in TARGETS:
            found |= {
                f"actual.{target}": self.actual[target],
                f"last_known.{target}": self.last_known[target],
            }
            found |= {f"candidate.{target}.{name}": x for name, x in self.candidates[target].items()}
            found[f"known.{target}"] = self.known.all_known[target]
        return found | {f"young.{months}": x for months, x in self.young.revenue.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> OutOfFold:
        """Inverse of `arrays`."""
        return cls(
            arrays["fold"],
            Origins(arrays["rows"], arrays["columns"]),
            {t: arrays[f"actual.{t}"] for t in TARGETS},
            {t: arrays[f"last_known.{t}"] for t in TARGETS},
            {
                t: {
                    n: arrays[f"candidate.{t}.{n}"] for n in CORE_CANDIDATES if f"candidate.{t}.{n}" in arrays
                }
                for t in TARGETS
            },
            KnownLeverForecasts(
                {t: arrays[f"known.{t}"] for t in TARGETS},
                arrays["known_drawn"],
                arrays["masks"],
            ),
            YoungForecasts(arrays[_PLACES], {m: arrays[f"young.{m}"] for m in YOUNG_MONTHS[:-1]}),
        )


def joined(parts: list[OutOfFold]) -> OutOfFold:
    """The origins of several folds one behind the other; an empty one of no folds."""
    if not parts:
        return _empty()
    pieces = [part.arrays() for part in parts]
    starts = np.cumsum([0] + [len(part.fold) for part in parts])
    for piece, start in zip(pieces, starts, strict=False):
        piece[_PLACES] = piece[_PLACES] + start
    return OutOfFold.from_arrays({name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]})


def _empty() -> OutOfFold:
    nothing = np.zeros((0, MAX_HORIZON_MONTHS))
    none = np.zeros(0, dtype=np.int64)
    by_target = dict.fromkeys(TARGETS, nothing)
    return OutOfFold(
        none,
        Origins(none, none),
        by_target,
        {t: np.zeros(0) for t in TARGETS},
        {t: {n: nothing for n in CORE_CANDIDATES if n not in _LEVELS or t in DIRECT_FLOWS} for t in TARGETS},
        KnownLeverForecasts(by_target, nothing, np.zeros((0, len(HELD_LEVERS)), dtype=bool)),
        YoungForecasts(none, dict.fromkeys(YOUNG_MONTHS[:-1], nothing)),
    )
