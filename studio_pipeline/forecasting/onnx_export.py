"""What the converters of all learners share."""

from __future__ import annotations

from typing import Any

INPUT_NAME = "features"
GRAPH_NAME = "correction"
"""The converters' own default is a new random name for every graph, which would make equal models differ."""


def input_type(n_features: int) -> list[tuple[str, Any]]:
    """The graphs' one input: any number of float rows."""
    from skl2onnx.common.data_types import FloatTensorType

    return [(INPUT_NAME, FloatTensorType([None, n_features]))]
