"""Record of live accuracy, updated by each run: forecasts of recent base months, and error sums of all.

Each run starts from the record of the run before (`update`), so pruning old forecasts or clearing the
prediction log loses no accuracy figures. Records that were deleted for a studio are removed here too. Errors
and interval coverage are summed per cell (`CELL`); ratios and their intervals are computed in `tables`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.monitoring.accuracy.champion_challenger import DESCRIPTIONS as ROLE_COLUMNS
from studio_pipeline.monitoring.accuracy.error_decomposition import no_misses
from studio_pipeline.monitoring.accuracy.forecast_rows import bound_names, levels_of, no_rows
from studio_pipeline.monitoring.accuracy.scored_forecasts import no_promises

CELL: tuple[str, ...] = (
    "source", "kind", "role", "model_version", "base_month", "made_month", "horizon", "month_year",
)  # fmt: skip
SUMS: dict[str, str] = {
    "n": "Forecasts whose month has arrived.",
    "actual": "Sum of what happened, currency.",
    "error": "Sum of forecast less what happened, currency.",
    "absolute_error": "Sum of the absolute errors, currency.",
    "promised_error": "Sum of the absolute errors that the backtest promised, currency.",
}
DESCRIPTIONS: dict[str, str] = {
    "source": "published: made with a release for every studio; asked: an answer of the service.",
    "kind": "free: all levers free; carried_out: levers were given, and the months then had them.",
    "role": "champion, or challenger: what a second model answered.",
    "model_version": "The model that made the forecasts.",
    "base_month": "The last known month that they rest on: their vintage.",
    "made_month": "The month in which they were made.",
    "horizon": "Months ahead, 1 to 12.",
    "month_year": "The month that was forecast.",
    "level": "Of the intervals: the share of months that they promise to hold, 0..1.",
    "inside": "Months inside their interval.",
    **SUMS,
    "wape": "Sum of absolute errors over sum of what happened, a share.",
    "promised_wape": "The same in the model's backtest.",
    "bias": "Sum of forecasts less what happened, over what happened: above 0 is too much.",
    "mase": "Mean absolute error over what a month moved by on average before; below 1 beats persistence.",
    "coverage": "Share of months inside their interval.",
    "low": "Lower end of the 95 % interval, months being the independent draws.",
    "high": "Upper end of that interval.",
    "months": "Calendar months that the figure rests on.",
}
_NO_TYPES = {
    **dict.fromkeys(("source", "kind", "role", "model_version"), "object"),
    **dict.fromkeys(("base_month", "made_month", "month_year"), "datetime64[ns]"),
    "horizon": "int64",
}


def error_cells(found: pd.DataFrame, promises: pd.DataFrame) -> pd.DataFrame:
    """Sum errors per cell; columns `CELL`, those of `SUMS`, and `naive_error`.

    Args:
        found: result of `scored_forecasts.judged`.
        promises: result of `expected_accuracy.promises_of`.
    """
    if found.empty:
        return _empty(dict.fromkeys((*SUMS, "naive_error"), "float64"))
    error = (found["revenue"] - found["actual"]).to_numpy()
    rows = _keys(found).assign(
        n=1.0,
        actual=found["actual"].abs().to_numpy(),
        error=error,
        absolute_error=np.abs(error),
        naive_error=found["expected_by_naive"].to_numpy(),
    )
    cells = rows.groupby(list(CELL), observed=True, as_index=False).sum(min_count=1)
    wape = promises.set_index(["model_version", "horizon"])["wape"].to_dict()
    promised = [wape.get(key, np.nan) for key in zip(cells["model_version"], cells["horizon"], strict=True)]
    return cells.assign(promised_error=np.array(promised, np.float64) * cells["actual"])


def coverage_cells(found: pd.DataFrame) -> pd.DataFrame:
    """Count intervals and months inside them per cell and level; columns `CELL`, `level`, `n`, `inside`."""
    tables = []
    for level in levels_of(found):
        lower, upper = (found[name].to_numpy(np.float64) for name in bound_names(level))
        bounded = np.isfinite(lower) & np.isfinite(upper)
        actual = found["actual"].to_numpy(np.float64)
        inside = (lower <= actual) & (actual <= upper)
        rows = _keys(found).assign(level=level, n=1.0, inside=inside.astype(np.float64))[bounded]
        tables.append(rows.groupby([*CELL, "level"], observed=True, as_index=False).sum())
    filled = [table for table in tables if len(table)]
    if not filled:
        return _empty(dict.fromkeys(("level", "n", "inside"), "float64"))
    joined: pd.DataFrame = pd.concat(filled, ignore_index=True)
    return joined


def carried_forward(new: pd.DataFrame, kept: pd.DataFrame, first_base: pd.Timestamp) -> pd.DataFrame:
    """New cells from `first_base` on, and the kept cells of earlier base months, whose rows are gone."""
    old = kept[kept["base_month"] < first_base]
    new = new[new["base_month"] >= first_base]
    filled = [table for table in (old, new) if len(table)] or [new]
    keys = [*CELL, "level"] if "level" in new else list(CELL)
    together: pd.DataFrame = pd.concat(filled, ignore_index=True)
    return together.sort_values(keys, ignore_index=True)


def _keys(found: pd.DataFrame) -> pd.DataFrame:
    made = found["made_at"].to_numpy().astype("datetime64[M]").astype("datetime64[ns]")
    keys: pd.DataFrame = found.assign(made_month=made)[list(CELL)]
    return keys


def _empty(more: dict[str, str]) -> pd.DataFrame:
    types = {**_NO_TYPES, **more}
    order = [*CELL, *more]
    return pd.DataFrame({name: pd.Series([], dtype=types[name]) for name in order})


_TABLES = ("forecasts", "errors", "coverage", "promises", "roles", "misses")
_STATE = "state.json"


def _no_judged() -> pd.DataFrame:
    return no_rows().assign(actual=0.0, kind="", expected_by_naive=0.0)


@dataclass(frozen=True)
class AccuracyRecord:
    """Live accuracy, as of one run.

    Attributes:
        forecasts: rows as described in `forecast_rows`.
        errors: sums from `error_cells`.
        coverage: counts from `coverage_cells`.
        promises: expected accuracy from `expected_accuracy.promises_of`.
        roles: champion against challenger, from `champion_challenger.role_differences`.
        misses: errors of saved scenarios, from `error_decomposition.split_all`.
        versions: names of the published forecasts that were read.
        read_until: time at which the last logged answer read was made, UTC without zone; None if none was.
    """

    forecasts: pd.DataFrame = field(default_factory=no_rows)
    errors: pd.DataFrame = field(default_factory=lambda: error_cells(_no_judged(), no_promises()))
    coverage: pd.DataFrame = field(default_factory=lambda: coverage_cells(_no_judged()))
    promises: pd.DataFrame = field(default_factory=no_promises)
    roles: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ROLE_COLUMNS)))
    misses: pd.DataFrame = field(default_factory=no_misses)
    versions: tuple[str, ...] = ()
    read_until: datetime | None = None

    def write(self, folder: Path) -> None:
        """Write a Parquet file per table, and the rest as JSON."""
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        until = None if self.read_until is None else self.read_until.isoformat()
        state = {"versions": list(self.versions), "read_until": until}
        (folder / _STATE).write_text(json.dumps(state), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> AccuracyRecord:
        """Read what `write` wrote."""
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        state = json.loads((folder / _STATE).read_text("utf-8"))
        until = state["read_until"]
        return cls(
            **tables,
            versions=tuple(state["versions"]),
            read_until=None if until is None else datetime.fromisoformat(until),
        )


def without_deleted(record: AccuracyRecord, deleted: Mapping[str, datetime]) -> AccuracyRecord:
    """Remove a studio's answers made before its records were deleted.

    Its scenario errors are removed too, as saved scenarios are among those records.

    Args:
        record: of the run before.
        deleted: studio to the time of the deletion, UTC without zone.
    """
    if not deleted:
        return record
    rows = record.forecasts
    moments = rows["studio_id"].map(pd.Series(deleted, dtype="datetime64[ns]"))
    gone = (rows["source"] == "asked") & (rows["made_at"] <= moments)
    misses = record.misses[~record.misses["studio_id"].isin(list(deleted))]
    return AccuracyRecord(**{**vars(record), "forecasts": rows[~gone.to_numpy()], "misses": misses})
