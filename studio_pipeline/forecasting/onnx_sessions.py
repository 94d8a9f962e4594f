"""Graphs made ready to run: the one place that knows onnxruntime and how to keep it quiet."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from studio_pipeline.forecasting.correction_graph import CorrectionGraph
from studio_pipeline.forecasting.correction_sizes import usual_sizes
from studio_pipeline.forecasting.given_months import MOST_SETS, FirstMonths, months_from
from studio_pipeline.forecasting.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.known_levers import HELD_LEVERS
from studio_pipeline.forecasting.learning_rows import IS_GIVEN, RowArray
from studio_pipeline.forecasting.onnx_export import INPUT_NAME
from studio_pipeline.forecasting.targets import TARGETS
from studio_pipeline.panel.arrays import FloatArray

if TYPE_CHECKING:
    import onnxruntime as ort


def session_of(graph: bytes) -> ort.InferenceSession:
    """A session on one thread that runs an ONNX graph."""
    # Its telemetry keeps files in the user's home, and looks at this only while it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    # One thread a worker: the rows of one answer are too few to share, and workers share the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class LearnerGraphs:
    """The learners of one model, ready to run.

    Args:
        graph: of those that have weight; None where none has.

    Attributes:
        learners: the L learners that have weight, sorted.
    """

    def __init__(self, graph: CorrectionGraph | None) -> None:
        outputs = () if graph is None else graph.outputs
        self.learners = tuple(sorted({learner for learner, _ in outputs}))
        self._targets = np.array([TARGETS.index(target) for _, target in outputs], dtype=np.int64)
        self._places = np.array([self.learners.index(learner) for learner, _ in outputs], dtype=np.int64)
        self._by_horizon = np.array([] if graph is None else [size.by_horizon for size in graph.sizes])
        self._variances = np.array([] if graph is None else [size.variances for size in graph.sizes])
        self._session = None if graph is None else session_of(graph.content)

    def corrections(self, rows: RowArray) -> FloatArray:
        """(N, 3, L, H) corrections of `TARGETS` by each learner, from (N, H, F) rows; 0 where one has no
        weight.
        """
        n, horizon_months, _ = rows.shape
        found = np.zeros((n, len(TARGETS), len(self.learners), horizon_months))
        if self._session is None:
            return found
        flat = rows.reshape(n * horizon_months, -1)
        (answers,) = self._session.run(None, {INPUT_NAME: flat})
        sizes = usual_sizes(self._by_horizon, self._variances, rows[:, :, IS_GIVEN])
        by_output = answers.reshape(n, horizon_months, -1).transpose(0, 2, 1)
        found[:, self._targets, self._places] = by_output * sizes
        return found

    def corrections_of_one(self, rows: RowArray, first: FirstMonths) -> FloatArray:
        """(3, L, H) corrections of one origin: `corrections` of its (H, F) rows, for levers given since
        `first`.
        """
        found = np.zeros((len(TARGETS), len(self.learners), len(rows)))
        if self._session is not None:
            (answers,) = self._session.run(None, {INPUT_NAME: rows})
            found[self._targets, self._places] = answers.T * self._sizes_from(first)
        return found

    @cached_property
    def _sizes_from(self) -> Callable[[FirstMonths], FloatArray]:
        """(K, 12) usual sizes of the outputs where levers are given since some months, cached."""
        return lru_cache(MOST_SETS)(self._sizes)

    def _sizes(self, first: FirstMonths) -> FloatArray:
        given = np.zeros((1, MAX_HORIZON_MONTHS, len(HELD_LEVERS)), dtype=bool)
        for name, months in months_from(first).given.items():
            if name in HELD_LEVERS:
                given[0, :, HELD_LEVERS.index(name)] = months
        return np.asarray(usual_sizes(self._by_horizon, self._variances, given)[0])
