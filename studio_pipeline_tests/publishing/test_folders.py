import errno
import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from studio_pipeline.errors import CorruptReleaseError, ReleaseError, StorageError
from studio_pipeline.publishing.folders import MANIFEST, sweep_unfinished, verify_folder, write_once
from studio_pipeline.publishing.storage import TEMPORARY_PREFIX, replace_file


def fill(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a.bin").write_bytes(b"\0" * 5000)
    (folder / "b.txt").write_text("hello")
    (folder / "empty").write_bytes(b"")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_written_once_and_verified_as_it_was_written(tmp_path: Path) -> None:
    manifest = write_once(tmp_path / "x" / "one", fill, {"run_id": "r1"})
    assert verify_folder(tmp_path / "x" / "one") == manifest
    assert sorted(manifest.files) == ["b.txt", "deep/er/a.bin", "empty"]
    assert manifest.files["b.txt"].size == 5
    assert manifest.files["b.txt"].sha256 == sha256(b"hello").hexdigest()
    assert manifest.details == {"run_id": "r1"}
    assert names_in(tmp_path / "x") == ["one"]
    with pytest.raises(ReleaseError, match="already there"):
        write_once(tmp_path / "x" / "one", lambda folder: (folder / "b.txt").write_text("other"))
    assert verify_folder(tmp_path / "x" / "one") == manifest


def lie_in_manifest(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["b.txt"]["size"] += 1
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "deep/er/a.bin").write_bytes(b"\0" * 4999 + b"\1"),
        lie_in_manifest,
        lambda folder: (folder / "b.txt").write_text("hell"),
        lambda folder: (folder / "b.txt").unlink(),
        lambda folder: (folder / "extra").write_text("new"),
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: (folder / MANIFEST).write_text("{"),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe"),
    ],
)
def test_any_change_is_found_and_the_message_says_what_to_do(tmp_path: Path, harm) -> None:
    write_once(tmp_path / "one", fill)
    harm(tmp_path / "one")
    with pytest.raises(CorruptReleaseError, match=f"{tmp_path / 'one'}.*run the pipeline again"):
        verify_folder(tmp_path / "one")


def refusing(code: int) -> Callable[[int], None]:
    """An `os.fsync` on a disk that refuses."""

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, r"No space left.*Free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "the right to write"),
    ],
)
def test_a_disk_that_refuses_is_a_storage_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, remedy: str
) -> None:
    (tmp_path / "file").write_text("I am a file")
    with pytest.raises(StorageError, match="A file stands where a folder should be"):
        write_once(tmp_path / "file" / "models" / "1", fill)
    monkeypatch.setattr(os, "fsync", refusing(code))
    with pytest.raises(StorageError, match=remedy):
        write_once(tmp_path / "one", fill)
    assert names_in(tmp_path) == ["file"]


def test_an_error_that_is_no_refusal_of_the_disk_is_not_hidden_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_once(tmp_path / "one", lambda folder: (folder / "nowhere" / "x").write_text("x"))
    assert names_in(tmp_path) == []


def test_a_sweep_takes_the_dead_and_leaves_the_living(tmp_path: Path) -> None:
    dead = tmp_path / f"{TEMPORARY_PREFIX}one-123-abcd"
    dead.mkdir()
    (dead / "half").write_text("half")
    assert sweep_unfinished(tmp_path) == [], "it is young"
    assert sweep_unfinished(tmp_path / "absent") == []
    swept_while_writing: list[Path] = []

    def sweep_and_fill(folder: Path) -> None:
        swept_while_writing.extend(sweep_unfinished(tmp_path, min_age_seconds=0))
        fill(folder)

    write_once(tmp_path / "one", sweep_and_fill)
    assert swept_while_writing == [dead]
    assert names_in(tmp_path) == ["one"]
    verify_folder(tmp_path / "one")


def test_a_file_is_replaced_or_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "pointer", b"old")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refusing(errno.ENOSPC))
        with pytest.raises(StorageError):
            replace_file(tmp_path / "pointer", b"new")
    assert (tmp_path / "pointer").read_bytes() == b"old"
    replace_file(tmp_path / "pointer", b"new")
    assert (tmp_path / "pointer").read_bytes() == b"new"
    assert names_in(tmp_path) == ["pointer"]
