"""One file of months as a table of text with the line that each row stood in: CSV and Parquet."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from studio_pipeline.errors import UnreadableFileError
from studio_pipeline.panel.csv_files import read_csv
from studio_pipeline.panel.text_table import TextTable

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FOREIGN = {
    b"PK\x03\x04": "an Excel or ZIP file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"\xff\xfe": "a UTF-16 file",
    b"\xfe\xff": "a UTF-16 file",
    b"%PDF": "a PDF file",
}


def read_text_table(file: str, data: bytes) -> TextTable:
    """The content of a file as text; `file` is only its name in messages.

    Raises:
        UnreadableFileError: the file is empty, not CSV or Parquet, cut off, or not UTF-8.
    """
    if not data.removeprefix(BYTE_ORDER_MARK).strip():
        raise UnreadableFileError(f"{file}: is empty.", "Export it again, or take it out of the folder.")
    if data.startswith(b"PAR1") or file.lower().endswith((".parquet", ".pq")):
        return _read_parquet(file, data)
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise UnreadableFileError(f"{file}: is {what}.", "Save it as CSV (UTF-8) or Parquet.")
    return read_csv(file, data.removeprefix(BYTE_ORDER_MARK))


def _read_parquet(file: str, data: bytes) -> TextTable:
    try:
        table = pa.parquet.read_table(io.BytesIO(data))
        texts = {name: _column_as_text(table[name]) for name in table.column_names}
    except (pa.ArrowException, OSError) as error:
        what = f"{file}: can't be read as Parquet ({str(error).splitlines()[0]})."
        raise UnreadableFileError(what, "It may be half-written: export it again.") from error
    if not table.num_rows:
        raise UnreadableFileError(f"{file}: has no rows.", "Export it again with its rows.")
    typed = frozenset(f.name for f in table.schema if not pa.types.is_string(_plain_type(f.type)))
    lines = np.arange(1, table.num_rows + 1)
    return TextTable(pa.table(texts), lines, typed=typed)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.string() if pa.types.is_large_string(inner) or pa.types.is_string_view(inner) else inner


def _column_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.date32(), safe=False)
    return pc.fill_null(column.cast(pa.string()), "")
