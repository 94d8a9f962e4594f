"""The models that saved scenarios remember, loaded when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from studio_pipeline.errors import ReleaseError
from studio_pipeline.forecasting.forecaster import Forecaster
from studio_pipeline.forecasting.model import StudioModel
from studio_pipeline.monitoring.accuracy_misses import MissSplitter
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder


def splitters(home: Path, current_version: str, panel: StudioPanel) -> Callable[[str], MissSplitter]:
    """Gives the splitter of a model version: of the current one where its bundle is gone or corrupt.

    Each bundle is loaded once, and only when a scenario asks for it.
    """

    @cache
    def of_version(version: str) -> MissSplitter:
        model = StudioModel.load(model_folder(home, version))
        return MissSplitter(Forecaster(model, panel), version)

    def splitter(version: str) -> MissSplitter:
        return of_version(version if _is_whole(home, version) else current_version)

    return splitter


def _is_whole(home: Path, version: str) -> bool:
    try:
        verify_folder(model_folder(home, version))
    except ReleaseError:
        return False
    return True
