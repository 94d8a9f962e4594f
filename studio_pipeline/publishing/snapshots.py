"""Panel snapshots: `data/<data_version>/`, a panel as plain arrays in a write-once folder.

The data version is a hash of the content, so equal data are stored once. The panel itself is
`panel.arrays.StudioPanel`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.folders import RESTORE, verify_folder, write_once
from studio_pipeline.publishing.layout import snapshot_folder
from studio_pipeline.publishing.storage import storage_errors, temporary_name

ARRAYS = "panel.npz"
LABELS = "panel.json"
HASH_LENGTH = 16


def data_version_of(panel: StudioPanel) -> str:
    """The first 16 hex digits of a SHA-256 over the panel's labels and values: same data, same version."""
    digest = hashlib.sha256(json.dumps(_labels(panel), sort_keys=True).encode())
    for name in sorted(panel.values):
        # NaN and zero have several representations; one of each makes equal tables have equal bytes.
        array = np.where(np.isnan(panel.values[name]), np.nan, panel.values[name]) + 0.0
        digest.update(f"{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, "<f8").tobytes())
    return digest.hexdigest()[:HASH_LENGTH]


def write_panel(home: Path, panel: StudioPanel, details: Mapping[str, Any] | None = None) -> str:
    """Write a panel once, unless the same data are stored already, and return the data version.

    A corrupt copy of the same data is moved aside.
    """
    version = data_version_of(panel)
    folder = snapshot_folder(home, version)
    if folder.exists():
        try:
            verify_folder(folder)
        except CorruptReleaseError:
            with storage_errors(folder):
                folder.rename(temporary_name(folder))
        else:
            return version
    write_once(folder, lambda place: _write(place, panel), {"data_version": version, **(details or {})})
    return version


def read_panel(folder: Path) -> StudioPanel:
    """Read a snapshot without comparing hashes; CorruptReleaseError if it is not as `write_panel` writes."""
    try:
        labels = json.loads((folder / LABELS).read_text("utf-8"))
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = {name: arrays[name].astype(np.float64, copy=False) for name in labels["columns"]}
        panel = StudioPanel(
            np.array(labels["studio_ids"], dtype=np.str_),
            np.array(labels["studio_types"], dtype=np.str_),
            np.datetime64(labels["first_month"], "M"),
            values,
        )
        shapes, count = {array.shape for array in panel.values.values()}, len(panel.studio_ids)
        if shapes != {(count, panel.n_months)} or len(panel.studio_types) != count:
            raise ValueError(f"{count} studios, but arrays of shape {sorted(shapes)}")
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise CorruptReleaseError(f"{folder} holds no panel ({error}).", RESTORE) from error
    return panel


def _labels(panel: StudioPanel) -> dict[str, Any]:
    return {
        "first_month": str(panel.first_month.astype("datetime64[M]")),
        "studio_ids": [str(name) for name in panel.studio_ids],
        "studio_types": [str(name) for name in panel.studio_types],
        "columns": sorted(panel.values),
    }


def _write(folder: Path, panel: StudioPanel) -> None:
    (folder / LABELS).write_text(json.dumps(_labels(panel)), "utf-8")
    values: dict[str, Any] = {name: np.asarray(array, np.float64) for name, array in panel.values.items()}
    np.savez(folder / ARRAYS, allow_pickle=False, **values)
