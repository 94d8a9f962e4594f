"""What every reader of a file gives: its cells as text, and the line that each row stood in."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from studio_pipeline.panel.arrays import IntArray


@dataclass(frozen=True)
class TextTable:
    """A file as text.

    Attributes:
        table: every column as text, in the file's own names.
        lines: (N,) the line each row starts in, the header's being 1 in most files; for Parquet the row,
            from 1.
        malformed: line and text of rows that don't have as many fields as the header.
        typed: columns whose numbers or dates were typed in the file, so that no number form applies to them.
    """

    table: pa.Table
    lines: IntArray
    malformed: tuple[tuple[int, str], ...] = ()
    typed: frozenset[str] = frozenset()
