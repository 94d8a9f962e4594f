"""Asset of the stage `raw_data`: rows of the landing folder as text, with file and line.

If the folder is empty, the months come from the built-in generator (`panel.generator`). Files are read in
`panel.ingest`; values are parsed in the next stage, `validated_data`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.configuration import Configuration
from studio_pipeline.panel.columns import COLUMNS
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.ingest.folder_scan import landing_digest
from studio_pipeline.panel.ingest.landing import (
    LEDGER_FILE,
    RawMonths,
    landing_sources,
    raw_from_numbers,
    read_landing,
)
from studio_pipeline.publishing.releases import Source, check_replaceable
from studio_pipeline.resources.asset_results import in_stage, numbers, rows_metadata, table_result
from studio_pipeline.settings import Settings, check_landing_dir

GROUP = "raw_data"
FILES_READABLE = "files_readable"
LANDING_DIGEST = "landing_digest"
"""Metadata: digest of the landing folder's content that was read; "" if it changed meanwhile."""
PROVENANCE = {
    "file": "The file, or `generator`.",
    "line": "The line in that file.",
    "first_seen": "When a row of this studio and month was first seen, UTC.",
    "file_order": "A row of a higher order replaces those of a lower one.",
    "malformed_row": "The text of a row that does not fit its header.",
    "month_format": "Format of months, as given by the file's map.",
    "decimal": "The file's decimal mark.",
    "thousands": "The file's thousands separator.",
}
DESCRIPTIONS = {column.name: column.description for column in COLUMNS}


@dg.asset(
    description="Every row of the landing folder's files as text; of the generator where there are none.",
    check_specs=[
        dg.AssetCheckSpec(
            FILES_READABLE,
            asset="raw_studio_months",
            description="Every file of the landing folder can be read.",
        )
    ],
    **in_stage(GROUP, "csv", "pandas"),
)
def raw_studio_months(
    settings: dg.ResourceParam[Settings], configuration: dg.ResourceParam[Configuration]
) -> Iterator[Any]:
    """Read the landing folder, or generate a synthetic fleet."""
    check_landing_dir(settings)
    source: Source = "landing" if landing_sources(settings.landing_dir) else "generator"
    # Synthetic months never replace a release of real ones.
    check_replaceable(settings.home, source)
    before = landing_digest(settings.landing_dir)
    raw = read_months(settings, configuration, source)
    # If a file changed while it was read, no digest is stored, and the landing sensor requests another run.
    digest = before if landing_digest(settings.landing_dir) == before else ""
    metadata = _metadata(raw, source) | {LANDING_DIGEST: digest}
    result = table_result(raw.frame, DESCRIPTIONS | PROVENANCE, metadata)
    yield result._replace(check_results=[_files_readable(raw)])


def read_months(settings: Settings, configuration: Configuration, source: Source) -> RawMonths:
    """Read the rows of a source, as text."""
    if source == "landing":
        return read_landing(settings.landing_dir, settings.home / LEDGER_FILE, datetime.now(UTC))
    months = generate_months(configuration.generator)
    end = months["month_year"].max() + pd.DateOffset(months=1)
    return RawMonths(raw_from_numbers(months, "generator", end.to_pydatetime()), (), {})


def _metadata(raw: RawMonths, source: Source) -> dict[str, Any]:
    counts = {
        "files": raw.frame["file"].nunique(),
        "studios": raw.frame["studio_id"].nunique(),
        "unreadable_files": len(raw.unreadable),
        "left_out_rows": sum(raw.left_out.values()),
    }
    return {"source": source, **numbers(counts), "first_rows": rows_metadata(raw.frame, limit=10)}


def _files_readable(raw: RawMonths) -> dg.AssetCheckResult:
    lines = [f"- `{fault.file}`: {fault.reason} {fault.remedy}" for fault in raw.unreadable]
    return dg.AssetCheckResult(
        check_name=FILES_READABLE,
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(lines) or "Every file was read.",
        metadata={"unreadable_files": len(lines)},
    )
