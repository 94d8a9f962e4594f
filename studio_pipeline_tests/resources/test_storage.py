"""Storage of assets: a folder a version, the run's own version first, nothing half-written or pickled."""

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pandas as pd
import pytest

from studio_pipeline.errors import CorruptReleaseError, StorageError
from studio_pipeline.resources.run_configuration import settings_resource
from studio_pipeline.resources.storage import FolderStorage, read_pointer, write_value
from studio_pipeline.settings import Settings


@dataclass(frozen=True)
class Note:
    text: str

    def write(self, folder: Path) -> None:
        (folder / "note.json").write_text(json.dumps(self.text))

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "note.json").read_text()))


class Wording(dg.Config):
    text: str = "first"


@dg.asset
def table(config: Wording) -> Any:
    return pd.DataFrame({"text": [config.text], "month": pd.to_datetime(["2024-01-01"]), "n": [1.5]})


@dg.asset
def note(table: pd.DataFrame) -> Any:
    assert str(table["month"].dtype) == "datetime64[ns]"
    return Note(f"{table['text'][0]} noted")


@dg.asset
def reader(note: Note) -> Any:
    return dg.MaterializeResult(metadata={"read": note.text})


def run(tmp_path: Path, assets: list[Any], selection: list[Any], text: str = "first") -> Any:
    # Without the lock, as one of these runs takes place within another.
    settings = settings_resource(Settings(home=tmp_path), lambda *_: nullcontext())
    chosen = [asset.key.to_user_string() for asset in selection]
    config = {"ops": {"table": {"config": {"text": text}}}} if "table" in chosen else {}
    resources = {"io_manager": FolderStorage(settings=settings)}
    return dg.materialize(assets, selection=selection, resources=resources, run_config=config)


def read_note(result: Any) -> str:
    return str(result.asset_materializations_for_node("reader")[0].metadata["read"].value)


ASSETS = [table, note, reader]


def test_each_version_has_its_folder_and_the_pointer_names_the_latest(tmp_path: Path) -> None:
    first = run(tmp_path, ASSETS, ASSETS)
    second = run(tmp_path, ASSETS, ASSETS, "second")
    versions = tmp_path / "assets" / "table"
    folders = {f"v-{run.run_id}" for run in (first, second)}
    assert {path.name for path in versions.iterdir()} == {"current"} | folders
    assert read_pointer(versions) == f"v-{second.run_id}"
    manifest = json.loads((versions / f"v-{first.run_id}" / "manifest.json").read_text())
    assert manifest["details"] == {"asset": "table", "run_id": first.run_id}
    assert list(manifest["files"]) == ["table.parquet"]
    assert read_note(second) == "second noted"
    run(tmp_path, ASSETS, [table, note], "third")
    assert read_note(run(tmp_path, ASSETS, [reader])) == "third noted", "a later run reads the latest"


def test_a_run_reads_its_own_version_although_the_pointer_moved(tmp_path: Path) -> None:
    other: list[str] = []

    @dg.asset(name="note", deps=[table])
    def slow_note(context: dg.AssetExecutionContext) -> Any:
        if not other:
            other.append(context.run.run_id)
            run(tmp_path, ASSETS, [table], "meanwhile")
        return Note("waited")

    @dg.asset(name="reader", deps=[slow_note])
    def late_reader(table: pd.DataFrame) -> Any:
        return dg.MaterializeResult(metadata={"read": table["text"][0]})

    assets = [table, slow_note, late_reader]
    assert read_note(run(tmp_path, assets, assets, "mine")) == "mine"


def test_an_absent_or_changed_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="studio run"):
        run(tmp_path, ASSETS, [reader])
    first = run(tmp_path, ASSETS, ASSETS)
    (tmp_path / "assets" / "note" / f"v-{first.run_id}" / "note.json").write_text('"forged"')
    with pytest.raises(CorruptReleaseError, match=r"note\.json"):
        run(tmp_path, ASSETS, [reader])


def test_a_failed_write_leaves_no_version(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Broken:
        def write(self, folder: Path) -> None:
            (folder / "half").write_text("half")
            raise OSError(28, "No space left on device")

    @dg.asset
    def broken() -> Any:
        return Broken()

    with pytest.raises(StorageError, match="No space left"):
        run(tmp_path, [broken], [broken])
    assert list((tmp_path / "assets" / "broken").iterdir()) == []
    with pytest.raises(AttributeError, match="write"):
        write_value(object(), tmp_path)
