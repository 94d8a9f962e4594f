"""What could not be written to the database yet: bounded files of JSON lines, which outlive their process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

MAX_SPOOL_BYTES = 64 * 2**20
LINES_AT_ONCE = 500
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


class PredictionSpool:
    """The files of one process: its own, and those that it took over from processes that are gone.

    Args:
        folder: of all processes' files; it is made when there is something to write.
        max_bytes: of all files of this process together.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_SPOOL_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._adopted: list[SpoolFile] = []
        self._own: SpoolFile | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        """Lines that are still to be delivered."""
        return sum(file.waiting for file in self._files())

    def append(self, lines: Sequence[bytes]) -> int:
        """Keep as many lines as there is room for.

        Returns:
            How many were kept, from the first on.

        Raises:
            OSError: the disk refused; none is kept.
        """
        with self._lock:
            room = self._max_bytes - sum(file.size for file in self._files())
            kept = 0
            while kept < len(lines) and (room := room - len(lines[kept]) - 1) >= 0:
                kept += 1
            if kept:
                if self._own is None:
                    self._own = _create(self._folder)
                self._own.append(lines[:kept])
            return kept

    def read(self) -> list[bytes]:
        """The next lines to deliver, those of the dead first; empty where none is left."""
        with self._lock:
            file = next((file for file in self._files() if file.waiting), None)
            return [] if file is None else file.read(LINES_AT_ONCE)

    def forget(self, lines: Sequence[bytes]) -> None:
        """Take the lines that were just read for delivered."""
        with self._lock:
            file = next(file for file in self._files() if file.waiting)
            file.forget(len(lines))
            if file in self._adopted and not file.waiting:
                self._adopted.remove(file)
                file.close()

    def find(self, text: bytes) -> bytes | None:
        """The first line that holds a text."""
        with self._lock:
            return next((line for file in self._files() if (line := file.find(text)) is not None), None)

    def adopt(self) -> int:
        """Take over the files of processes that are gone.

        Returns:
            How many lines can't be read, because a process ended in the middle of them.

        Raises:
            OSError: the folder can't be read.
        """
        with self._lock:
            held = {file.path for file in self._files()}
            # Their names begin with the time, so that the oldest comes first.
            paths = [path for path in sorted(self._folder.glob(f"*{SUFFIX}")) if path not in held]
            found = [file for path in paths if (file := _take_over(path)) is not None]
            self._adopted += [file for file in found if file.waiting]
            for file in found:
                if not file.waiting:
                    file.close()
            return sum(file.is_torn for file in found)

    def close(self) -> None:
        """Let go of all files; what is in them waits for the next process."""
        with self._lock:
            for file in self._files():
                file.close()
            self._adopted, self._own = [], None

    def _files(self) -> list[SpoolFile]:
        return [*self._adopted, *([] if self._own is None else [self._own])]


def _create(folder: Path) -> SpoolFile:
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / f"predictions-{time.time_ns()}-{os.getpid()}{SUFFIX}"
        # Another process may take it for a dead one's before it is locked.
        if (file := _lock(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)) is not None:
            return file


def _take_over(path: Path) -> SpoolFile | None:
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
