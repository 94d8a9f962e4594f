"""Results of assets: values with content hashes as data versions, and metadata for the web UI.

General helpers for tables, numbers, figures and sentences; metadata of a stage is built beside its assets.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, TypedDict

import dagster as dg
import numpy as np
import pandas as pd
from pydantic import BaseModel

PICTURE_LIMIT_BYTES = 100_000
TABLE_LIMIT_ROWS = 50


class StageArguments(TypedDict):
    """Arguments that the assets of a stage share."""

    group_name: str
    kinds: set[str]
    owners: Sequence[str]
    tags: Mapping[str, str]
    code_version: str


def in_stage(group: str, *kinds: str, version: str = "1") -> StageArguments:
    """Arguments of a stage's asset; `version` is that of its code, and makes stored results stale."""
    return {
        "group_name": group,
        "kinds": set(kinds),
        "owners": ["team:forecasting"],
        "tags": {"stage": group},
        "code_version": version,
    }


def table_result(
    frame: pd.DataFrame,
    descriptions: Mapping[str, str],
    metadata: Mapping[str, Any] | None = None,
    *,
    asset_key: str | None = None,
) -> dg.MaterializeResult[pd.DataFrame]:
    """Result of a table asset; its data version is a hash of its content, its columns are described."""
    return dg.MaterializeResult(
        asset_key=asset_key,
        value=frame,
        data_version=dg.DataVersion(content_sha(frame)),
        metadata={**table_metadata(frame, descriptions), **(metadata or {})},
    )


def object_result(value: Any, metadata: Mapping[str, Any] | None = None) -> dg.MaterializeResult[Any]:
    """Result of an asset stored by its own `write`; its data version is a hash of its content."""
    return dg.MaterializeResult(
        value=value, data_version=dg.DataVersion(content_sha(value)), metadata=dict(metadata or {})
    )


def table_metadata(frame: pd.DataFrame, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """`dagster/row_count` and `dagster/column_schema` of a table."""
    columns = [
        dg.TableColumn(str(name), str(dtype), description=descriptions.get(str(name)))
        for name, dtype in frame.dtypes.items()
    ]
    return {"dagster/row_count": len(frame), "dagster/column_schema": dg.TableSchema(columns=columns)}


def rows_metadata(
    frame: pd.DataFrame, descriptions: Mapping[str, str] | None = None, *, limit: int = TABLE_LIMIT_ROWS
) -> dg.TableMetadataValue:
    """The first rows of a table as plain Python values, with column descriptions where given."""
    head, texts = frame.head(limit), descriptions or {}
    rows = ({str(name): _plain(value) for name, value in row.items()} for row in head.to_dict("records"))
    records = [dg.TableRecord(row) for row in rows]
    kinds = {str(name): _type_name(head[name]) for name in head}
    columns = [dg.TableColumn(name, kind, description=texts.get(name)) for name, kind in kinds.items()]
    return dg.MetadataValue.table(records, dg.TableSchema(columns=columns))


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """The finite values as plain floats, which Dagster plots over time."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def picture(name: str, png: bytes) -> dict[str, dg.MarkdownMetadataValue]:
    """A PNG as Markdown for the web UI; empty if it is too large for an event."""
    if len(png) >= PICTURE_LIMIT_BYTES:
        return {}
    encoded = base64.b64encode(png).decode()
    return {name: dg.MetadataValue.md(f"![{name}](data:image/png;base64,{encoded})")}


def sentences(words: Sequence[str]) -> dg.MarkdownMetadataValue:
    """Sentences as a Markdown list."""
    return dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in words))


def content_sha(value: Any) -> str:
    """SHA-256 of the content of tables, arrays, containers of them, and objects with a `write`."""
    digest = hashlib.sha256()
    for chunk in _chunks(value):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(value: Any) -> Iterable[bytes]:
    yield type(value).__name__.encode()
    if (parts := _parts(value)) is None:
        yield _bytes(value)
    for part in parts or ():
        yield from _chunks(part)


def _parts(value: Any) -> list[Any] | None:
    """Parts of a container, equal for equal containers; None for a value without parts."""
    if isinstance(value, pd.DataFrame):
        dtypes = [(str(name), str(dtype)) for name, dtype in value.dtypes.items()]
        return [repr(dtypes), pd.util.hash_pandas_object(value, index=False).to_numpy()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return [(repr(key), item) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return list(value)
    return _written(value) if hasattr(value, "write") else None


def _bytes(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return repr((value.shape, str(value.dtype))).encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, BaseModel):
        return value.model_dump_json().encode()
    if isinstance(value, bytes):
        return value
    if value is None or isinstance(value, (str, int, float, date, Enum, np.generic)):
        return repr(value).encode()
    raise TypeError(f"{type(value).__name__} has no content that can be hashed")


def _written(value: Any) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        value.write(Path(folder))
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return [(path.name, path.read_bytes()) for path in files]


def _plain(value: Any) -> str | int | float | bool | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)) or value is pd.NaT:
        return None
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    return str(value)


def _type_name(column: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "bool"
    if pd.api.types.is_integer_dtype(column):
        return "int"
    return "float" if pd.api.types.is_float_dtype(column) else "string"
