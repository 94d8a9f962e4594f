"""What could not be written to the database yet: bounded files of JSON lines, which outlive their process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from serving.records.spool_file import SUFFIX, SpoolFile, create_file, take_over

MAX_SPOOL_BYTES = 64 * 2**20
LINES_AT_ONCE = 500


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
                    self._own = create_file(self._folder)
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
            found = [file for path in paths if (file := take_over(path)) is not None]
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
