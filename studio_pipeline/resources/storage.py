"""I/O manager of the assets: every version in its own write-once folder, and a pointer to the latest.

STUDIO_HOME/assets/<asset>/v-<run id>/   Parquet, JSON, ONNX; with a manifest of SHA-256s; nothing pickled
STUDIO_HOME/assets/<asset>/current       the name of the latest folder, atomically replaced

Writing and verifying folders is in `publishing.folders`; releases are not stored here but in
`publishing.releases`.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.errors import StorageError
from studio_pipeline.publishing.folders import verify_folder, write_once
from studio_pipeline.publishing.layout import ASSET_POINTER as POINTER
from studio_pipeline.publishing.layout import asset_folder
from studio_pipeline.publishing.storage import replace_file
from studio_pipeline.settings import Settings

TABLE = "table.parquet"


class FolderStorage(dg.ConfigurableIOManager):
    """Stores DataFrames as Parquet, and other values by their own `write(folder)` and `read(folder)`."""

    settings: dg.ResourceDependency[Settings]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write one version under a temporary name, rename it, then move the pointer."""
        if obj is None:
            return
        versions = asset_folder(self.settings.home, context.asset_key.path[-1])
        name = f"v-{context.run_id}"
        details = {"asset": context.asset_key.to_user_string(), "run_id": context.run_id}
        write_once(versions / name, lambda folder: write_value(obj, folder), details)
        replace_file(versions / POINTER, name.encode())
        context.add_output_metadata({"path": dg.MetadataValue.path(str(versions / name))})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read this run's version if there is one, else the latest, as the type of the input's annotation."""
        versions = asset_folder(self.settings.home, context.asset_key.path[-1])
        folder = versions / f"v-{context.step_context.run_id}"
        if not folder.exists():
            folder = versions / read_pointer(versions)
        verify_folder(folder)
        value_type = context.dagster_type.typing_type
        return pd.read_parquet(folder / TABLE) if value_type is pd.DataFrame else value_type.read(folder)


def write_value(value: Any, folder: Path) -> None:
    """Write a DataFrame, or an object by its own `write(folder)`."""
    if isinstance(value, pd.DataFrame):
        value.to_parquet(folder / TABLE, index=False)
    else:
        value.write(folder)


def read_pointer(versions: Path) -> str:
    """Name of the latest version; StorageError if the asset was never materialised here."""
    try:
        return (versions / POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        what = f"Nothing is stored of {versions.name} in {versions}."
        raise StorageError(what, "Materialise it first, or run `studio run`.") from None
