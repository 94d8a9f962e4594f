"""Model bundles: `models/<version>/`, a write-once folder per model version.

The model writes and reads the content itself (`forecasting.model`); further records in a bundle are in
`model_records`. A bundle takes effect once a release names it (`releases`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studio_pipeline.publishing.folders import MANIFEST, Manifest, readable_manifest, write_once
from studio_pipeline.publishing.layout import model_folder, models_folder


def write_bundle(
    home: Path, model_version: str, write: Callable[[Path], object], details: Mapping[str, Any]
) -> Path:
    """Write the bundle of a model once, by `write`, which fills an empty folder; ReleaseError if it exists.

    `details` are JSON values for the manifest, such as the Dagster run id and the metrics.
    """
    folder = model_folder(home, model_version)
    write_once(folder, write, {"model_version": model_version, **details})
    return folder


def model_versions(home: Path) -> list[str]:
    """Versions of all complete bundles, whole numbers first and in order."""
    names = [path.parent.name for path in models_folder(home).glob(f"[!.]*/{MANIFEST}")]
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def model_manifests(home: Path) -> dict[str, Manifest]:
    """Manifest of every bundle by version, in the order of `model_versions`; unreadable ones are left out."""
    manifests = {version: readable_manifest(model_folder(home, version)) for version in model_versions(home)}
    return {version: manifest for version, manifest in manifests.items() if manifest is not None}
