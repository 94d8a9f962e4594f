"""Backups taken while others write, and homes made from them; what is damaged restores nothing."""

import io
import json
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from studio_pipeline.errors import BackupError, CorruptReleaseError, NoReleaseError
from studio_pipeline.publishing.backups import restore_backup, write_backup
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import current_release, publish_release, verify_release
from studio_pipeline_tests.publishing.conftest import make_release


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    publish_release(place, make_release(place))
    (place / "landing").mkdir()
    (place / "landing" / "Müller.csv").write_text("studio_id\n")
    (place / "models" / ".writing-9").mkdir()
    (place / "models" / ".writing-9" / "half").write_text("half")
    with closing(sqlite3.connect(place / "mlflow.db")) as store, store:
        store.execute("CREATE TABLE experiments (artifact_location TEXT)")
        places = [((place / "mlflow").as_uri(),), ("s3://bucket",), (f"{place.as_uri()}-other/x",)]
        store.executemany("INSERT INTO experiments VALUES (?)", places)
    return place


def contents(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.suffix not in (".db", ".lock") and ".writing" not in str(path)
    }


def test_a_restored_home_is_the_same_elsewhere(home: Path, tmp_path: Path) -> None:
    listing = write_backup(home, tmp_path / "kept" / "backup.tar.gz")
    assert (listing.release, listing.during_run) == (1, False)
    other = tmp_path / "else where"
    assert restore_backup(tmp_path / "kept" / "backup.tar.gz", other).files == listing.files
    assert contents(other) == contents(home)
    verify_release(other, current_release(other))
    with closing(sqlite3.connect(other / "mlflow.db")) as store:
        places = [place for (place,) in store.execute("SELECT artifact_location FROM experiments")]
    assert places == [(other / "mlflow").as_uri(), "s3://bucket", f"{home.as_uri()}-other/x"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["else where", "home", "kept"]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["backup.tar.gz"]


def test_a_database_is_copied_whole_while_it_is_written(home: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    with closing(sqlite3.connect(home / "service.db")) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("CREATE TABLE pairs (name TEXT, value INTEGER)")
        store.commit()

    def write() -> None:
        with closing(sqlite3.connect(home / "service.db", timeout=30)) as writing:
            number = 0
            while not stop.is_set():
                with writing:
                    writing.executemany("INSERT INTO pairs VALUES (?, ?)", [("a", number), ("b", number)])
                number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with hold_lock(home):
            assert write_backup(home, tmp_path / "backup.tar.gz").during_run
    finally:
        stop.set()
        thread.join()
    restore_backup(tmp_path / "backup.tar.gz", tmp_path / "other")
    with closing(sqlite3.connect(tmp_path / "other" / "service.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sums = dict(store.execute("SELECT name, sum(value) FROM pairs GROUP BY name").fetchall())
    assert len(set(sums.values())) <= 1


def test_a_home_with_something_in_it_is_not_touched(home: Path, tmp_path: Path) -> None:
    write_backup(home, tmp_path / "backup.tar.gz")
    before = contents(home)
    with pytest.raises(BackupError, match="not empty"):
        restore_backup(tmp_path / "backup.tar.gz", home)
    assert contents(home) == before
    (tmp_path / "empty").mkdir()
    (home / "mlflow.db").unlink()
    write_backup(home, tmp_path / "without_mlflow.tar.gz")
    restore_backup(tmp_path / "without_mlflow.tar.gz", tmp_path / "empty")
    assert current_release(tmp_path / "empty").version == 1


def rewritten(archive: Path, name: str, change: bytes | None) -> None:
    """The archive with one file's content changed, or left out."""
    with tarfile.open(archive) as tar:
        members = [(m, (tar.extractfile(m) or io.BytesIO()).read()) for m in tar.getmembers()]
    assert name in [member.name for member, _ in members]
    with tarfile.open(archive, "w:gz") as tar:
        for member, content in members:
            if member.name != name:
                tar.addfile(member, io.BytesIO(content))
            elif change is not None:
                member.size = len(change)
                tar.addfile(member, io.BytesIO(change))


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (None, None, "can't be restored"),
        ("home/models/1/weights.json", b"{}", "models/1/weights.json is not the file"),
        ("home/release.json", None, "release.json is missing"),
        ("backup.json", None, "backup.json is missing"),
        ("backup.json", b"[", "can't be restored"),
        ("backup.json", json.dumps({"format": 99}).encode(), "has format 99"),
    ],
)
def test_a_damaged_archive_restores_nothing(home, tmp_path, name, change, told) -> None:
    archive = tmp_path / "backup.tar.gz"
    write_backup(home, archive)
    if name is None:
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    else:
        rewritten(archive, name, change)
    with pytest.raises(BackupError, match=told):
        restore_backup(archive, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.gz", "home"]


def test_what_does_not_verify_is_not_backed_up(home: Path, tmp_path: Path) -> None:
    (home / "models" / "1" / "weights.json").write_text("{}")
    with pytest.raises(CorruptReleaseError):
        write_backup(home, tmp_path / "backup.tar.gz")
    with pytest.raises(NoReleaseError):
        write_backup(tmp_path / "nothing", tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()
