"""Conversion of learners to ONNX: what the converters share, and the join of many models into one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

INPUT_NAME = "features"
GRAPH_NAME = "correction"
"""The converters' own default is a new random name for every graph, which would make equal models differ."""

_OUTPUT_NAME = "corrections"
_TREES = "TreeEnsembleRegressor"
_TREES_DOMAIN = "ai.onnx.ml"
_UNUSED = ("nodes_hitrates",)
_OPERATORS = {_TREES_DOMAIN: 3, "": 15}
_FORMAT = 8


def input_type(n_features: int) -> list[tuple[str, Any]]:
    """The graphs' one input: any number of float rows."""
    from skl2onnx.common.data_types import FloatTensorType

    return [(INPUT_NAME, FloatTensorType([None, n_features]))]


def joined_graph(graphs: Sequence[bytes], n_features: int) -> bytes:
    """One graph whose output `corrections` (R, K) holds the answers of K converted models side by side.

    A request then costs one run, however many models have weight. Each model keeps a node of its own, because
    onnxruntime runs nodes of one target in half the time of one node with many.

    Args:
        graphs: each with one tree ensemble of one target, as the learners' converters write them.
        n_features: F of the one input `features` (R, F).
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
    """The tree ensemble of a converted model, from the joined graph's input to an output of its own.

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
