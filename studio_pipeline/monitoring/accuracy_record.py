"""What live accuracy keeps from run to run: rows of the last vintages, and the sums of all.

It carries itself forward, so that nothing is lost where old versions of forecasts are pruned or the log of
predictions is cleared; what a studio has had deleted goes from here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from studio_pipeline.monitoring.accuracy_misses import no_misses
from studio_pipeline.monitoring.accuracy_promises import no_promises
from studio_pipeline.monitoring.accuracy_roles import DESCRIPTIONS as ROLE_COLUMNS
from studio_pipeline.monitoring.accuracy_rows import no_rows
from studio_pipeline.monitoring.accuracy_sums import coverage_cells, error_cells

_TABLES = ("forecasts", "errors", "coverage", "promises", "roles", "misses")
_STATE = "state.json"


def _no_judged() -> pd.DataFrame:
    return no_rows().assign(actual=0.0, kind="", expected_by_naive=0.0)


@dataclass(frozen=True)
class AccuracyRecord:
    """Live accuracy, as of one run.

    Attributes:
        forecasts: rows as `accuracy_rows` describes them.
        errors: sums as `accuracy_sums.error_cells` makes them.
        coverage: sums as `accuracy_sums.coverage_cells` makes them.
        promises: as `accuracy_promises` makes them.
        roles: champion against challenger, as `accuracy_roles` makes it.
        misses: of saved scenarios, as `accuracy_misses` makes them.
        versions: names of the published forecasts that were read.
        read_until: when the last logged answer that was read was made, UTC without zone; None for none.
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
        """Parquet, a table each, and one small JSON."""
        for name in _TABLES:
            getattr(self, name).to_parquet(folder / f"{name}.parquet", index=False)
        until = None if self.read_until is None else self.read_until.isoformat()
        state = {"versions": list(self.versions), "read_until": until}
        (folder / _STATE).write_text(json.dumps(state), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> AccuracyRecord:
        """The inverse of `write`."""
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        state = json.loads((folder / _STATE).read_text("utf-8"))
        until = state["read_until"]
        return cls(
            **tables,
            versions=tuple(state["versions"]),
            read_until=None if until is None else datetime.fromisoformat(until),
        )


def without_deleted(record: AccuracyRecord, deleted: Mapping[str, datetime]) -> AccuracyRecord:
    """The record without what was asked about a studio before its records were deleted.

    Its misses go too, as saved scenarios are among those records.
    """
    if not deleted:
        return record
    rows = record.forecasts
    moments = rows["studio_id"].map(pd.Series(deleted, dtype="datetime64[ns]"))
    gone = (rows["source"] == "asked") & (rows["made_at"] <= moments)
    misses = record.misses[~record.misses["studio_id"].isin(list(deleted))]
    return AccuracyRecord(**{**vars(record), "forecasts": rows[~gone.to_numpy()], "misses": misses})
