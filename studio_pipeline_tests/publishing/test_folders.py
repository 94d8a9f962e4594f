import errno
import json
import os
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


def test_a_folder_is_verified_as_it_was_written(tmp_path: Path) -> None:
    manifest = write_once(tmp_path / "x" / "one", fill, {"run_id": "r1"})
    assert verify_folder(tmp_path / "x" / "one") == manifest
    assert sorted(manifest.files) == ["b.txt", "deep/er/a.bin", "empty"]
    assert manifest.files["b.txt"].size == 5
    assert manifest.files["b.txt"].sha256 == sha256(b"hello").hexdigest()
    assert manifest.details == {"run_id": "r1"}
    assert names_in(tmp_path / "x") == ["one"]


def test_a_folder_is_never_written_twice(tmp_path: Path) -> None:
    first = write_once(tmp_path / "one", fill)
    with pytest.raises(ReleaseError, match="already there"):
        write_once(tmp_path / "one", lambda folder: (folder / "b.txt").write_text("other"))
    assert verify_folder(tmp_path / "one") == first


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "deep/er/a.bin").read_bytes())
    content[2500] ^= 1
    (folder / "deep/er/a.bin").write_bytes(content)


def lie_in_manifest(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["b.txt"]["size"] += 1
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "harm",
    [
        flip_a_byte,
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


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_once(tmp_path / "one", fail)
    assert names_in(tmp_path) == []


def write_to_a_full_disk(folder: Path) -> None:
    fill(folder)
    # A device that refuses every byte with ENOSPC, as a full disk does.
    with Path("/dev/full").open("wb") as full:
        full.write(b"x" * 100_000)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_a_storage_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"No space left.*Free some space"):
        write_once(tmp_path / "one", write_to_a_full_disk)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "remedy"), [(errno.EROFS, "read-only"), (errno.EACCES, "the right to write")]
)
def test_a_disk_that_refuses_is_a_storage_error(tmp_path, monkeypatch, code, remedy) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=remedy):
        write_once(tmp_path / "one", fill)
    assert names_in(tmp_path) == []


def test_a_home_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("I am a file")
    with pytest.raises(StorageError, match="A file stands where a folder should be"):
        write_once(tmp_path / "home" / "models" / "1", fill)


def test_an_error_that_is_no_refusal_of_the_disk_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_once(tmp_path / "one", lambda folder: (folder / "nowhere" / "x").write_text("x"))


def test_a_sweep_takes_the_dead_and_leaves_the_living(tmp_path: Path) -> None:
    dead = tmp_path / f"{TEMPORARY_PREFIX}one-123-abcd"
    dead.mkdir()
    (dead / "half").write_text("half")
    swept_while_writing: list[Path] = []

    def sweep_and_fill(folder: Path) -> None:
        swept_while_writing.extend(sweep_unfinished(tmp_path, min_age_seconds=0))
        fill(folder)

    write_once(tmp_path / "one", sweep_and_fill)
    assert swept_while_writing == [dead]
    assert names_in(tmp_path) == ["one"]
    verify_folder(tmp_path / "one")


def test_a_sweep_leaves_what_is_young(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY_PREFIX}two-123-abcd").mkdir()
    assert sweep_unfinished(tmp_path) == []
    assert sweep_unfinished(tmp_path / "absent") == []


def test_a_file_is_replaced_or_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "pointer", b"old")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError):
            replace_file(tmp_path / "pointer", b"new")
    assert (tmp_path / "pointer").read_bytes() == b"old"
    replace_file(tmp_path / "pointer", b"new")
    assert (tmp_path / "pointer").read_bytes() == b"new"
    assert names_in(tmp_path) == ["pointer"]
