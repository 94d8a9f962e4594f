"""Graphs made ready to run: the one place that knows onnxruntime and how to keep it quiet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

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
