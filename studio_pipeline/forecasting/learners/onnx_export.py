"""Conversion of learners to ONNX: shared input and names, and the join of many models into one graph.

Each learner calls its library's converter itself; running the joined graph belongs to `onnx_ensemble`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

INPUT_NAME = "features"
GRAPH_NAME = "correction"
"""Fixed name, because the converters' default is a random one, which would make equal models differ."""

_OUTPUT_NAME = "corrections"
_TREES = "TreeEnsembleRegressor"
_TREES_DOMAIN = "ai.onnx.ml"
_UNUSED = ("nodes_hitrates",)
_OPERATORS = {_TREES_DOMAIN: 3, "": 15}
_FORMAT = 8


def input_type(n_features: int) -> list[tuple[str, Any]]:
    """Input type of the graphs: any number of float rows of `n_features`."""
    from skl2onnx.common.data_types import FloatTensorType

    return [(INPUT_NAME, FloatTensorType([None, n_features]))]


def joined_graph(graphs: Sequence[bytes], n_features: int) -> bytes:
    """Join K converted models into one graph with an output `corrections` (R, K).

    A request then takes one run, independent of the number of models. Each model keeps its own node, because
    onnxruntime runs nodes with one target in half the time of one node with many.

    Args:
        graphs: output of the learners' converters, each with one tree ensemble of one target.
        n_features: F of the input `features` (R, F).
    """
    from onnx import TensorProto, helper

    answers = [f"{_OUTPUT_NAME}_{k}" for k in range(len(graphs))]
    nodes = [_tree_node(graph, answer) for graph, answer in zip(graphs, answers, strict=True)]
    nodes.append(helper.make_node("Concat", answers, [_OUTPUT_NAME], axis=1))
    rows = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, n_features])
    joined = helper.make_tensor_value_info(_OUTPUT_NAME, TensorProto.FLOAT, [None, len(graphs)])
    model = helper.make_model(
        helper.make_graph(nodes, _OUTPUT_NAME, [rows], [joined]),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPERATORS.items()],
        ir_version=_FORMAT,
    )
    return bytes(model.SerializeToString(deterministic=True))


def _tree_node(graph: bytes, output: str) -> Any:
    """Node of a converted model's tree ensemble, from the joined graph's input to its own `output`.

    Raises:
        ValueError: the graph has no or more than one tree ensemble.
    """
    import onnx

    found = [node for node in onnx.load_from_string(graph).graph.node if node.op_type == _TREES]
    if len(found) != 1:
        raise ValueError(f"A converted learner has one {_TREES}, not {len(found)}.")
    node = onnx.NodeProto(op_type=_TREES, domain=_TREES_DOMAIN, input=[INPUT_NAME], output=[output])
    node.attribute.extend(a for a in found[0].attribute if a.name not in _UNUSED)
    return node
