"""Records in a bundle besides the model: its recipe and its backtest.

A later run reads them to compare a new model with this one (`evaluation.promotion`); the service reads
neither. The bundle itself is in `bundles`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.forecasting.model.studio_model import Recipe
from studio_pipeline.publishing.folders import RESTORE
from studio_pipeline.publishing.layout import model_folder

RECIPE = "recipe.json"
BACKTEST = "backtest.parquet"


def write_records(folder: Path, recipe: Recipe, backtest: pd.DataFrame) -> None:
    """Write recipe and backtest into the folder of a bundle that is being written."""
    (folder / RECIPE).write_text(json.dumps(recipe.to_json(), indent=1, allow_nan=False), encoding="utf-8")
    backtest.to_parquet(folder / BACKTEST, index=False, compression="zstd")


def recipe_of(home: Path, model_version: str) -> Recipe | None:
    """The recipe of a bundle; None if older bundles had none; CorruptReleaseError if unreadable."""
    path = model_folder(home, model_version) / RECIPE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CorruptReleaseError(f"{path} can't be read ({error}).", RESTORE) from error
    return Recipe.from_json(content)


def backtest_of(home: Path, model_version: str) -> pd.DataFrame | None:
    """The stored rows of a bundle's backtest; None if it has none; CorruptReleaseError if unreadable."""
    path = model_folder(home, model_version) / BACKTEST
    try:
        return pd.read_parquet(path) if path.exists() else None
    except (OSError, ValueError) as error:
        raise CorruptReleaseError(f"{path} can't be read ({error}).", RESTORE) from error
