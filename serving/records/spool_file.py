"""One file of the spool: lines that wait, in a file that is locked by the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".jsonl"


class SpoolFile:
    """One file of lines, locked by the process that holds it; the lock ends with the process.

    Attributes:
        path: of the file.
        size: bytes.
        waiting: lines that are still to be delivered.
        is_torn: whether a process ended in the middle of the last line.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._delivered = 0
        self._next = 0
        self.size = os.fstat(descriptor).st_size
        content = self._content()
        self.waiting = content.count(b"\n")
        self.is_torn = bool(content) and not content.endswith(b"\n")

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines at the end, all or none.

        Raises:
            OSError: the disk refused.
        """
        content = b"".join(line + b"\n" for line in lines)
        try:
            if os.pwrite(self._descriptor, content, self.size) < len(content):
                raise OSError("the disk is full")
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(content)
        self.waiting += len(lines)

    def read(self, at_most: int) -> list[bytes]:
        """The oldest lines that are still to be delivered; a torn last one is not among them."""
        lines: list[bytes] = []
        place = self._delivered
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(place)
            for line in file:
                if len(lines) == at_most or not line.endswith(b"\n"):
                    break
                lines.append(line[:-1])
                place += len(line)
        self._next = place
        return lines

    def forget(self, lines: int) -> None:
        """Take the lines that were just read for delivered."""
        self._delivered = self._next
        self.waiting -= lines
        if not self.waiting:
            os.ftruncate(self._descriptor, 0)
            self.size = self._delivered = 0

    def find(self, text: bytes) -> bytes | None:
        """The first line still to be delivered that holds a text."""
        return next((line for line in self._content().splitlines() if text in line), None)

    def close(self) -> None:
        """Let go of the file, and remove it if nothing is left in it."""
        if not self.waiting:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _content(self) -> bytes:
        return os.pread(self._descriptor, self.size - self._delivered, self._delivered)


def create_file(folder: Path) -> SpoolFile:
    """A new file of this process; the folder is made.

    Raises:
        OSError: the disk refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / f"predictions-{time.time_ns()}-{os.getpid()}{SUFFIX}"
        # Another process may take it for a dead one's before it is locked.
        if (file := _lock(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)) is not None:
            return file


def take_over(path: Path) -> SpoolFile | None:
    """The file of a process that is gone; None where its process lives, or another one was quicker."""
    try:
        return _lock(path, os.O_RDWR)
    except FileNotFoundError:
        return None


def _lock(path: Path, flags: int) -> SpoolFile | None:
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return SpoolFile(path, descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
