"""Graphs made ready to run: the one place that knows onnxruntime and how to keep it quiet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
    """

    def __init__(self, graphs: Mapping[tuple[str, str], bytes]) -> None:
        self._sessions = {key: session_of(graph) for key, graph in graphs.items()}

    def __bool__(self) -> bool:
        """Whether there is any graph to run."""
        return bool(self._sessions)

    def corrections(self, rows: NDArray[np.float32]) -> dict[tuple[str, str], FloatArray]:
        """(learner, target) to its (N, H) corrections of (N, H, F) float32 rows."""
        flat = rows.reshape(-1, rows.shape[-1])
        return {
            key: np.asarray(session.run(None, {"features": flat})[0], dtype=np.float64).reshape(
                rows.shape[:2]
            )
            for key, session in self._sessions.items()
        }
