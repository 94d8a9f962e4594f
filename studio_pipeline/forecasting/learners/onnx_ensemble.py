"""Learners in ONNX: the joined graph of those with weight, the scale of its answers, and its sessions.

The core's error a year ahead is many times that of the next month, and it is close to zero with every lever
given. Learners are therefore fitted on errors divided by their usual size, so that far horizons and free
levers don't dominate the loss, and their predictions are multiplied by the same sizes. The conversion of
single models is in `libraries`, the weights in `ensemble.weights`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS, MOST_SETS, FirstMonths, months_from
from studio_pipeline.forecasting.base.hyperparameters import MAX_HORIZON_MONTHS
from studio_pipeline.forecasting.features.feature_matrix import IS_GIVEN, RowArray
from studio_pipeline.panel.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    import onnxruntime as ort


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

    `graphs`: output of the learners' converters, each with one tree ensemble of one target.
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


_FEWEST_ORIGINS = 40
_LARGEST_SQUARE = 9.0
_SMALLEST_SQUARE = 1e-4


@dataclass(frozen=True)
class CorrectionSizes:
    """Usual sizes of one target's corrections: a size by horizon times the root of a sum of variances."""

    by_horizon: tuple[float, ...]  # (12,) root mean square by months ahead; 0 where too few known
    # (1 + L,) relative variance with all of `HELD_LEVERS` given, then the variance that each of them adds if
    # it is free
    variances: tuple[float, ...]

    def of(self, given: FloatArray | RowArray | BoolArray) -> FloatArray:
        """(N, H) sizes for (N, H, L) flags of given levers, 1..H months ahead."""
        return np.asarray(usual_sizes(np.array([self.by_horizon]), np.array([self.variances]), given)[:, 0])


def usual_sizes(
    by_horizon: FloatArray, variances: FloatArray, given: FloatArray | RowArray | BoolArray
) -> FloatArray:
    """(N, K, H) sizes for (N, H, L) flags of given levers: `CorrectionSizes.of` of K targets at once."""
    square = variances.sum(1) - np.asarray(given, dtype=np.float64) @ variances[:, 1:].T
    root = np.sqrt(np.maximum(square, _SMALLEST_SQUARE))
    return np.asarray(by_horizon[:, : given.shape[1]] * root.swapaxes(1, 2))


def correction_sizes(corrections: FloatArray, given: BoolArray) -> CorrectionSizes:
    """Estimate the sizes of (N, 12) corrections, NaN where unknown, under (N, L) masks of given levers.

    Variances are fitted by non-negative least squares on squared corrections, clipped at three usual sizes.
    """
    # Imported here, because the service only reads sizes and doesn't need SciPy.
    from scipy.optimize import nnls

    known = np.isfinite(corrections)
    enough = known.sum(0) >= _FEWEST_ORIGINS
    mean_square = np.square(np.where(known, corrections, 0.0)).sum(0) / np.maximum(known.sum(0), 1)
    by_horizon = np.where(enough, np.sqrt(mean_square), 0.0)
    used = known & (by_horizon > 0)
    n_levers = given.shape[1]
    if not used.any():
        return CorrectionSizes((0.0,) * MAX_HORIZON_MONTHS, (1.0,) + (0.0,) * n_levers)
    rows, columns = np.nonzero(used)
    square = np.minimum((corrections[rows, columns] / by_horizon[columns]) ** 2, _LARGEST_SQUARE)
    parts = np.column_stack([np.ones(len(rows)), ~given[rows]])
    variances, _ = nnls(parts.T @ parts, parts.T @ square)
    return CorrectionSizes(tuple(by_horizon.tolist()), tuple(variances.tolist()))


_FILE = "corrections.onnx"


@dataclass(frozen=True)
class OnnxEnsemble:
    """Joined ONNX graph of K models (learner, target)."""

    content: bytes  # ONNX with an input `features` (R, F) and an output `corrections` (R, K), in usual sizes
    outputs: tuple[tuple[str, str], ...]  # learner and target of each of the K outputs
    sizes: tuple[CorrectionSizes, ...]  # usual sizes of each output's corrections

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the graph into a folder and return the other attributes for JSON."""
        (folder / _FILE).write_bytes(self.content)
        return {"outputs": [list(o) for o in self.outputs], "sizes": [asdict(s) for s in self.sizes]}

    @classmethod
    def load(cls, folder: Path, stored: Mapping[str, Any]) -> OnnxEnsemble:
        """Inverse of `save`."""
        return cls(
            (folder / _FILE).read_bytes(),
            tuple((learner, target) for learner, target in stored["outputs"]),
            tuple(sizes_from_json(sizes) for sizes in stored["sizes"]),
        )


def sizes_from_json(stored: Mapping[str, Any]) -> CorrectionSizes:
    """Build sizes from the JSON form of `dataclasses.asdict`."""
    return CorrectionSizes(tuple(stored["by_horizon"]), tuple(stored["variances"]))


def session_of(graph: bytes) -> ort.InferenceSession:
    """Create a single-threaded session for an ONNX graph."""
    # onnxruntime's telemetry writes files to the user's home and reads this variable only at import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    # One thread per worker: the rows of one answer are too few to split, and workers share the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class OnnxSessions:
    """Inference session of one model's learners.

    `graph`: graph of the learners with non-zero weight; None if there are none.

    Attributes:
        learners: the L learners with non-zero weight, sorted.
    """

    def __init__(self, graph: OnnxEnsemble | None) -> None:
        outputs = () if graph is None else graph.outputs
        self.learners = tuple(sorted({learner for learner, _ in outputs}))
        self._targets = np.array([TARGETS.index(target) for _, target in outputs], dtype=np.int64)
        self._places = np.array([self.learners.index(learner) for learner, _ in outputs], dtype=np.int64)
        self._by_horizon = np.array([] if graph is None else [size.by_horizon for size in graph.sizes])
        self._variances = np.array([] if graph is None else [size.variances for size in graph.sizes])
        self._session = None if graph is None else session_of(graph.content)

    def corrections(self, rows: RowArray) -> FloatArray:
        """Compute (N, 3, L, H) corrections of `TARGETS` by each learner from (N, H, F) rows; 0 for a learner
        without weight for the target.
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
        """(3, L, H) corrections of one origin: twin of `corrections` for its (H, F) rows, with sizes cached
        by `first`.
        """
        found = np.zeros((len(TARGETS), len(self.learners), len(rows)))
        if self._session is not None:
            (answers,) = self._session.run(None, {INPUT_NAME: rows})
            found[self._targets, self._places] = answers.T * self._sizes_from(first)
        return found

    @cached_property
    def _sizes_from(self) -> Callable[[FirstMonths], FloatArray]:
        return lru_cache(MOST_SETS)(self._sizes)

    def _sizes(self, first: FirstMonths) -> FloatArray:
        given = np.zeros((1, MAX_HORIZON_MONTHS, len(HELD_LEVERS)), dtype=bool)
        for name, months in months_from(first).given.items():
            if name in HELD_LEVERS:
                given[0, :, HELD_LEVERS.index(name)] = months
        return np.asarray(usual_sizes(self._by_horizon, self._variances, given)[0])
