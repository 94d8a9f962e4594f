"""Graphs made ready to run: the one place that knows onnxruntime and how to keep it quiet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from studio_pipeline.forecasting.learning_rows import RowArray
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
    """The learners' graphs of one model, ready to run.

    Args:
        graphs: (learner, target) to its ONNX graph.

    Attributes:
        learners: the L learners that have any graph, sorted.
    """

    def __init__(self, graphs: Mapping[tuple[str, str], bytes]) -> None:
        self.learners = tuple(sorted({learner for learner, _ in graphs}))
        self._sessions = [
            (TARGETS.index(target), self.learners.index(learner), session_of(graph))
            for (learner, target), graph in graphs.items()
        ]

    def corrections(self, rows: RowArray) -> FloatArray:
        """(N, 3, L, H) corrections of `TARGETS` by each learner, from (N, H, F) rows; 0 where one has no
        graph.
        """
        n, horizon_months, _ = rows.shape
        found = np.zeros((n, len(TARGETS), len(self.learners), horizon_months))
        inputs = {"features": rows.reshape(n * horizon_months, -1)}
        for target, learner, session in self._sessions:
            found[:, target, learner] = session.run(None, inputs)[0].reshape(n, horizon_months)
        return found
