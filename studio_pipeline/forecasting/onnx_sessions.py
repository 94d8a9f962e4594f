"""Graphs made ready to run: the one place that knows onnxruntime and how to keep it quiet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from studio_pipeline.forecasting.correction_graph import CorrectionGraph
from studio_pipeline.forecasting.correction_sizes import usual_sizes
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
