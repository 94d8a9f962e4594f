"""Learners as ONNX: what the converters of all learners share, and many models joined into one graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

INPUT_NAME = "features"
GRAPH_NAME = "correction"
"""The converters' own default is a new random name for every graph, which would make equal models differ."""

_OUTPUT_NAME = "corrections"
_TREES = "TreeEnsembleRegressor"
_TREES_DOMAIN = "ai.onnx.ml"
_OPERATORS = {_TREES_DOMAIN: 3, "": 15}
_FORMAT = 8


def input_type(n_features: int) -> list[tuple[str, Any]]:
    """The graphs' one input: any number of float rows."""
    from skl2onnx.common.data_types import FloatTensorType

    return [(INPUT_NAME, FloatTensorType([None, n_features]))]


def tree_attributes(graph: bytes) -> dict[str, Any]:
    """The attributes of the one tree ensemble of a converted model.

    Raises:
        ValueError: the graph has another number of them.
    """
    import onnx

    nodes = [node for node in onnx.load_from_string(graph).graph.node if node.op_type == _TREES]
    if len(nodes) != 1:
        raise ValueError(f"A converted learner has one {_TREES}, not {len(nodes)}.")
    return {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}


def joined_graph(graphs: Sequence[bytes], n_features: int) -> bytes:
    """One graph whose output `corrections` (R, K) holds the answers of K converted models side by side.

    All trees become one node with K targets: a request then costs one run, however many models have weight.
    Forests come with their leaves divided by the number of trees, so that sums are right for all.

    Args:
        graphs: each with one tree ensemble of one target, as the learners' converters write them.
        n_features: F of the one input `features` (R, F).
    """
    from onnx import TensorProto, helper

    trees = _joined_attributes([tree_attributes(graph) for graph in graphs])
    node = helper.make_node(_TREES, [INPUT_NAME], [_OUTPUT_NAME], domain=_TREES_DOMAIN, **trees)
    rows = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, n_features])
    answers = helper.make_tensor_value_info(_OUTPUT_NAME, TensorProto.FLOAT, [None, len(graphs)])
    model = helper.make_model(
        helper.make_graph([node], "corrections", [rows], [answers]),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPERATORS.items()],
        ir_version=_FORMAT,
    )
    return bytes(model.SerializeToString(deterministic=True))


def _joined_attributes(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Attributes of one ensemble with a target a model; trees are numbered on."""
    joined: dict[str, list[Any]] = defaultdict(list)
    n_trees = 0
    for target, model in enumerate(models):
        modes, thresholds = _less_or_equal(model["nodes_modes"], model["nodes_values"])
        joined["nodes_modes"] += modes
        joined["nodes_values"] += thresholds
        for name in _NODES:
            joined[name] += list(model[name])
        for name in ("nodes_treeids", "target_treeids"):
            joined[name] += [n_trees + tree for tree in model[name]]
        for name in ("target_nodeids", "target_weights"):
            joined[name] += list(model[name])
        joined["target_ids"] += [target] * len(model["target_ids"])
        joined["base_values"] += list(model.get("base_values", [0.0]))
        n_trees += max(model["nodes_treeids"]) + 1
    return {**joined, "n_targets": len(models), "post_transform": "NONE", "aggregate_function": "SUM"}


_NODES = (
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
)


def _less_or_equal(modes: Sequence[bytes], thresholds: Sequence[float]) -> tuple[list[str], list[float]]:
    """The same splits with one comparison throughout, which runs faster: a float below x is one at most the
    float before x.
    """
    values = np.asarray(thresholds, dtype=np.float32)
    is_less = np.array([mode == b"BRANCH_LT" for mode in modes])
    values = np.where(is_less, np.nextafter(values, np.float32(-np.inf)), values)
    return ["LEAF" if mode == b"LEAF" else "BRANCH_LEQ" for mode in modes], values.tolist()
