"""Stored result of a learner's fit over the folds (`backtest.learner_backtest`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.hyperparameters import LearnerName
from studio_pipeline.forecasting.learners.onnx_ensemble import CorrectionSizes, sizes_from_json
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class LearnerFit:
    """Fit of one learner on all three targets."""

    learner: LearnerName  # name of the learner
    # target to (N, 12) corrections of the origins in `CoreFit.out_of_fold`, every lever free; 0 where there
    # were no training rows
    out_of_fold: dict[str, FloatArray]
    out_of_fold_known: dict[str, FloatArray]  # the same with every lever at its actual value
    importances: pd.DataFrame  # columns learner, target, feature, importance
    native_models: dict[str, bytes]  # file name to the model in its library's own format
    onnx_models: dict[str, bytes]  # target to ONNX graph; a target without training rows is missing
    sizes: dict[str, CorrectionSizes]  # target to the usual sizes by which predictions are scaled

    def write(self, folder: Path) -> None:
        """Write arrays, importances and models into a folder."""
        np.savez(folder / "out_of_fold.npz", allow_pickle=False, **self.out_of_fold)
        np.savez(folder / "out_of_fold_known.npz", allow_pickle=False, **self.out_of_fold_known)
        self.importances.to_parquet(folder / "importances.parquet", index=False)
        for name, content in self.native_models.items():
            (folder / name).write_bytes(content)
        for target, content in self.onnx_models.items():
            (folder / f"{target}.onnx").write_bytes(content)
        stored = {
            "learner": self.learner,
            "native_models": list(self.native_models),
            "onnx_models": list(self.onnx_models),
            "sizes": {target: asdict(sizes) for target, sizes in self.sizes.items()},
        }
        (folder / "learner.json").write_text(json.dumps(stored), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> LearnerFit:
        """Inverse of `write`."""
        stored = json.loads((folder / "learner.json").read_text(encoding="utf-8"))
        return cls(
            stored["learner"],
            _stored_corrections(folder / "out_of_fold.npz"),
            _stored_corrections(folder / "out_of_fold_known.npz"),
            pd.read_parquet(folder / "importances.parquet"),
            {name: (folder / name).read_bytes() for name in stored["native_models"]},
            {target: (folder / f"{target}.onnx").read_bytes() for target in stored["onnx_models"]},
            {target: sizes_from_json(sizes) for target, sizes in stored["sizes"].items()},
        )


def _stored_corrections(file: Path) -> dict[str, FloatArray]:
    with np.load(file, allow_pickle=False) as arrays:
        return {target: arrays[target] for target in TARGETS}
