"""Prepared origins kept at hand: every studio's latest base month from the start, others as they are asked
for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np

from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.forecasting.preparation import Preparation
from studio_pipeline.forecasting.prepared_origins import PreparedOrigins, joined
from studio_pipeline.panel.arrays import IntArray

_MOST_KEPT = 500

Place = tuple[PreparedOrigins, int]
"""One prepared origin: where it lies and its place there."""


class OriginStore:
    """Finds prepared origins, and prepares those that it lacks.

    Args:
        preparation: of the model and the panel that are asked.
    """

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        last = preparation.panel.last_months
        rows = np.flatnonzero(last >= 0)
        self._last = last.tolist()
        self._latest = preparation.prepare(Origins(rows, last[rows]))
        self._places = dict(zip(rows.tolist(), range(len(rows)), strict=True))
        self._others: OrderedDict[tuple[int, int], PreparedOrigins] = OrderedDict()
        self._lock = Lock()

    def find(self, wanted: Sequence[tuple[int, int]]) -> list[Place]:
        """The place of each (row, column); those that are new are prepared in one pass."""
        found = {key: place for key in wanted if (place := self._kept(key))}
        missing = [key for key in dict.fromkeys(wanted) if key not in found]
        if missing:
            rows, columns = np.array(missing, dtype=np.int64).T
            prepared = self._preparation.prepare(Origins(rows, columns))
            for order, key in enumerate(missing):
                found[key] = (prepared, order)
                self._keep(key, prepared.take(np.array([order])))
        return [found[key] for key in wanted]

    def holds(self, row: int, column: int) -> bool:
        """Whether that origin is prepared."""
        return self._kept((row, column)) is not None

    def _kept(self, key: tuple[int, int]) -> Place | None:
        row, column = key
        if column == self._last[row]:
            return self._latest, self._places[row]
        with self._lock:
            prepared = self._others.get(key)
            if prepared is None:
                return None
            self._others.move_to_end(key)
            return prepared, 0

    def _keep(self, key: tuple[int, int], prepared: PreparedOrigins) -> None:
        with self._lock:
            self._others[key] = prepared
            while len(self._others) > _MOST_KEPT:
                self._others.popitem(last=False)


def gathered(places: Sequence[Place]) -> PreparedOrigins:
    """The origins at N places side by side, in their order."""
    blocks: dict[int, tuple[PreparedOrigins, list[int], list[int]]] = {}
    for order, (block, place) in enumerate(places):
        _, orders, inside = blocks.setdefault(id(block), (block, [], []))
        orders.append(order)
        inside.append(place)
    parts = [block.take(np.array(inside, dtype=np.int64)) for block, _, inside in blocks.values()]
    back: IntArray = np.argsort(np.concatenate([orders for _, orders, _ in blocks.values()]))
    return parts[0] if len(parts) == 1 else joined(parts).take(back)
