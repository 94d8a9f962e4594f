"""All learners of a model version that have weight, as one ONNX graph with what turns its answers into
corrections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio_pipeline.forecasting.correction_sizes import CorrectionSizes

_FILE = "corrections.onnx"


@dataclass(frozen=True)
class CorrectionGraph:
    """One graph from learners' rows to K answers.

    Attributes:
        content: ONNX with an input `features` (R, F) and an output `corrections` (R, K), in usual sizes.
        outputs: learner and target of each answer.
        sizes: usual sizes of each answer's corrections.
    """

    content: bytes
    outputs: tuple[tuple[str, str], ...]
    sizes: tuple[CorrectionSizes, ...]

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the graph into a folder; returns the rest as JSON."""
        (folder / _FILE).write_bytes(self.content)
        return {"outputs": [list(o) for o in self.outputs], "sizes": [asdict(s) for s in self.sizes]}

    @classmethod
    def load(cls, folder: Path, stored: Mapping[str, Any]) -> CorrectionGraph:
        """Inverse of `save`."""
        return cls(
            (folder / _FILE).read_bytes(),
            tuple((learner, target) for learner, target in stored["outputs"]),
            tuple(sizes_from_json(sizes) for sizes in stored["sizes"]),
        )


def sizes_from_json(stored: Mapping[str, Any]) -> CorrectionSizes:
    """Sizes as `dataclasses.asdict` and JSON left them."""
    return CorrectionSizes(tuple(stored["by_horizon"]), tuple(stored["variances"]))
