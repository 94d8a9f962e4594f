"""Column maps: a file's own column names, constants, filters and number formats.

A map is a YAML file beside the data (`FILE.columns.yaml`) or in its folder (`columns.yaml`). `source_files`
applies it to a file's rows.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from studio_pipeline.errors import ColumnMapError
from studio_pipeline.panel.columns import COLUMNS, MAY_BE_NEGATIVE, Column, Kind
from studio_pipeline.panel.ingest.parsing import names_a_month, parse_months, parse_numbers

OUR_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS)
MAP_SUFFIX = ".columns.yaml"
FOLDER_MAP = "columns.yaml"


def _as_text(value: object) -> object:
    """Convert YAML scalars to text as in a CSV file; other values are left for Pydantic to reject."""
    return str(value) if isinstance(value, bool | int | float | date) else value


def _as_texts(value: object) -> object:
    return tuple(_as_text(v) for v in value) if isinstance(value, list | tuple) else (_as_text(value),)


Text = Annotated[str, BeforeValidator(_as_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]


class ColumnMap(BaseModel):
    """Mapping from the project's columns to those of a file.

    A column that is not named in `columns` is taken from the file's column of the same name, if there is one;
    null leaves it out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str | None] = Field(default_factory=dict, description="Our column: their column.")
    constants: dict[str, Text] = Field(
        default_factory=dict, description="Our column: one value for all rows."
    )
    where: dict[str, Texts] = Field(
        default_factory=dict, description="Their column: the value or values of the rows to keep."
    )
    month_format: str | None = Field(
        default=None, description="strptime form of their months, like %d.%m.%Y."
    )
    decimal: Literal[".", ","] = Field(default=".", description="Their decimal mark.")
    thousands: Literal["", ",", ".", " ", "'", "_"] = Field(
        default="", description="Their thousands separator."
    )

    @model_validator(mode="after")
    def _consistent(self) -> ColumnMap:
        if unknown := [name for name in (*self.columns, *self.constants) if name not in OUR_COLUMNS]:
            raise ValueError(f"{unknown[0]!r} is not one of our columns ({', '.join(OUR_COLUMNS)})")
        if both := [name for name in self.constants if self.columns.get(name) is not None]:
            raise ValueError(f"{both[0]!r} stands under both columns and constants")
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        if self.month_format is not None and "%" not in self.month_format:
            raise ValueError(f"month_format {self.month_format!r} has no % code in it, like %Y-%m")
        if self.month_format is not None and not names_a_month(self.month_format):
            raise ValueError(f"month_format {self.month_format!r} doesn't give month and year, as %Y-%m does")
        for column in COLUMNS:
            given = self.constants.get(column.name)
            if fault := _fault_of_constant(column, given, self.month_format):
                raise ValueError(f"constants.{column.name} is {given!r}, which {fault}")
        return self

    def source_of(self, column: str, file_columns: Iterable[str]) -> str | None:
        """The file's name for one of the project's columns, or None if the file doesn't have it."""
        if column in self.columns:
            return self.columns[column]
        return column if column in file_columns and column not in self.constants else None


def _fault_of_constant(column: Column, constant: str | None, month_format: str | None) -> str:
    """The reason why a constant is invalid for a column; "" if it is valid."""
    if constant is None or (not constant.strip() and not column.required):
        return ""
    text = pa.array([constant.strip()], pa.string())
    if column.kind is Kind.TEXT:
        return "" if constant.strip() else "names nothing"
    if column.kind is Kind.MONTH:
        return "is not a month" if str(parse_months(text, month_format)[0]) == "NaT" else ""
    values, faulty = parse_numbers(text)
    value = float(values[0])
    if faulty[0] or math.isinf(value) or (column.required and math.isnan(value)):
        return "is not a number (a constant's decimal mark is a point)"
    if value < 0 and column.name not in MAY_BE_NEGATIVE:
        return "is negative"
    rate = column.kind is Kind.RATE and column.name != "class_attendance_rate"
    return "is above 1: a rate lies between 0 and 1" if rate and value > 1 else ""


NO_MAP = ColumnMap()


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in keys[:place]:
                what = f"the key {key.value!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
        return super().construct_mapping(node, deep)


def read_column_map(path: Path) -> ColumnMap:
    """Read a column map; a ColumnMapError names the file and the faulty field."""
    try:
        # The loader is a subclass of yaml.SafeLoader.
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeys)  # noqa: S506
    except FileNotFoundError as error:
        raise ColumnMapError(f"{path.name}: is not there.", "Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ColumnMapError(f"{path.name}: can't be read ({error}).", "Save it as UTF-8 text.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        if isinstance(error, yaml.constructor.ConstructorError) and "there twice" in str(error.problem):
            raise ColumnMapError(f"{path.name}{line}: {error.problem}.", "Keep one of the two.") from error
        raise ColumnMapError(f"{path.name}{line}: is not YAML.", "Correct that line.") from error
    try:
        return ColumnMap.model_validate({} if content is None else content)
    except ValidationError as error:
        fault = error.errors()[0]
        field = f"field {'.'.join(map(str, fault['loc']))}: " if fault["loc"] else ""
        what = f"{path.name}: {field}{fault['msg'].removeprefix('Value error, ')}."
        raise ColumnMapError(what, "Correct that field of the map.") from error


def map_beside(file: Path, root: Path) -> Path | None:
    """Path of the map that applies to a file; None if there is none.

    Its own map comes first (`FILE.columns.yaml`, with or without FILE's extension), then the `columns.yaml`
    of its folder or of the nearest folder above it, up to `root`.
    """
    own = (file.with_name(file.name + MAP_SUFFIX), file.with_name(file.stem + MAP_SUFFIX))
    folders = [folder for folder in file.parents if folder == root or root in folder.parents]
    candidates = (*own, *(folder / FOLDER_MAP for folder in folders))
    return next((path for path in candidates if path.is_file()), None)


def check_against(column_map: ColumnMap, file: str, file_columns: list[str]) -> None:
    """Check that a file has all columns that its map names and the project requires; else ColumnMapError."""
    there = f"The file has: {', '.join(file_columns)}."
    named = [(f"columns.{ours}", theirs) for ours, theirs in column_map.columns.items() if theirs is not None]
    named += [(f"where.{theirs}", theirs) for theirs in column_map.where]
    for field, theirs in named:
        if theirs not in file_columns:
            what = f"{file}: the map's {field} names the column {theirs!r}, which the file doesn't have."
            raise ColumnMapError(what, f"Correct the map. {there}")
    for name in (column.name for column in COLUMNS if column.required):
        if name not in column_map.constants and column_map.source_of(name, file_columns) is None:
            what = f"{file}: the required column {name!r} is not there."
            raise ColumnMapError(what, f"Name it in {file}{MAP_SUFFIX}. {there}")
