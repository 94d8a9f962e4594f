"""The record from run to run: read once, carried on without its sources, cleared where a studio asks."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from studio_pipeline.monitoring.accuracy.forecast_rows import Reading
from studio_pipeline.monitoring.accuracy.record import AccuracyRecord, Sources, updated, without_deleted
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline.publishing.folders import write_once
from studio_pipeline.publishing.releases import Release
from studio_pipeline_tests.monitoring.accuracy_worlds import ASKED, Logged, logged, metrics_of, months_of

RULES = AccuracyConfig()
REVENUE = {"a": [100.0] * 14, "b": [50.0] * 14}


class FakeLog:
    def __init__(self, *rows: Logged, problem: str = "", deleted: dict[str, datetime] | None = None) -> None:
        self.rows, self._problem, self._deleted = list(rows), problem, deleted or {}

    def answers(self, reading: Reading, since: datetime | None = None) -> list[list[Logged]]:
        reading.problem = self._problem
        return [[row for row in self.rows if since is None or row.made_at >= since]] if self.rows else []

    def saved(self, reading: Reading, most: int) -> list[Any]:
        return []

    def existing(self, reading: Reading, ids: list[str]) -> set[str]:
        return set()

    def deleted(self, reading: Reading) -> dict[str, datetime]:
        return self._deleted


def run(log: FakeLog, folder: Path, record: AccuracyRecord | None = None, months: int = 14):
    moment = datetime(2023, 12, 31, tzinfo=UTC)
    release = Release("1", "d", "landing", ASKED.date(), "r", moment, metrics_of(0.05))
    sources = Sources(log, folder, [release], lambda _: pytest.fail)
    revenue = {name: values[:1] * months for name, values in REVENUE.items()}
    return updated(record or AccuracyRecord(), months_of(revenue), sources, RULES)


def publish(folder: Path, name: str = "v-1") -> None:
    bounds = {"base_month": pd.Timestamp("2023-12-01"), "lower_90": 0.0, "upper_90": 1e3}
    rows = [
        {"studio_id": studio, "horizon": horizon, "revenue": 1.1 * values[0]} | bounds
        for studio, values in REVENUE.items()
        for horizon in range(1, 13)
    ]
    write_once(folder / name, lambda place: pd.DataFrame(rows).to_parquet(place / "table.parquet"))
    manifest = folder / name / "manifest.json"
    text = manifest.read_text()
    stamp = text.split('"created_at": "')[1].split('"')[0]
    manifest.write_text(text.replace(stamp, ASKED.replace(tzinfo=UTC).isoformat()))


def test_nothing_yet_is_no_failure(tmp_path: Path) -> None:
    update = run(FakeLog(problem="away"), tmp_path)
    assert update.warnings == ("away",)
    assert update.record.errors.empty
    assert update.record.read_until is None


def test_published_forecasts_are_judged_and_outlive_their_versions(tmp_path: Path) -> None:
    publish(tmp_path)
    first = run(FakeLog(), tmp_path).record
    assert first.errors["n"].tolist() == [2.0, 2.0]
    assert first.errors["absolute_error"].tolist() == pytest.approx([15.0, 15.0])
    assert first.errors["promised_error"].tolist() == pytest.approx([7.5, 7.5])
    for path in tmp_path.rglob("*.*"):
        path.unlink()
    later = run(FakeLog(), tmp_path, first, months=16).record
    assert later.errors["horizon"].tolist() == [1, 2, 3, 4]
    # Two years on the rows are gone, and their sums are not.
    at_last = run(FakeLog(), tmp_path, later, months=48).record
    assert at_last.forecasts.empty
    pd.testing.assert_frame_equal(at_last.errors, later.errors)
    pd.testing.assert_frame_equal(at_last.coverage, later.coverage)


def test_the_record_reads_what_it_writes(tmp_path: Path) -> None:
    publish(tmp_path / "forecasts")
    for record in (AccuracyRecord(), run(FakeLog(logged("a")), tmp_path / "forecasts").record):
        folder = tmp_path / f"record-{len(record.forecasts)}"
        folder.mkdir()
        record.write(folder)
        read = AccuracyRecord.read(folder)
        again = run(FakeLog(), tmp_path / "forecasts", read).record
        for field in dataclasses.fields(AccuracyRecord):
            ours, theirs = getattr(record, field.name), getattr(read, field.name)
            if isinstance(ours, pd.DataFrame):
                pd.testing.assert_frame_equal(ours, theirs, check_dtype=len(ours) > 0)
            else:
                assert ours == theirs
        assert len(again.errors) >= len(record.errors)


def test_the_log_is_read_on_from_where_it_ended_unless_it_broke_off(tmp_path: Path) -> None:
    log = FakeLog(logged("a"), logged("b", made_at=ASKED - timedelta(days=90)))
    first = run(log, tmp_path)
    assert (first.n_answers, first.record.read_until) == (2, ASKED)
    second = run(log, tmp_path, first.record)
    assert second.n_answers == 1
    pd.testing.assert_frame_equal(second.record.errors, first.record.errors)
    broken = run(FakeLog(logged("a"), problem="away"), tmp_path)
    assert broken.record.read_until is None
    assert len(broken.record.forecasts) == 3


def test_what_a_studio_had_deleted_goes(tmp_path: Path) -> None:
    publish(tmp_path)
    record = run(FakeLog(logged("a"), logged("b")), tmp_path).record
    left = without_deleted(record, {"a": ASKED})
    asked = left.forecasts[left.forecasts["source"] == "asked"]
    assert set(asked["studio_id"]) == {"b"}
    assert len(left.forecasts) == len(record.forecasts) - 3
    assert without_deleted(record, {"a": ASKED - timedelta(days=1)}).forecasts.equals(record.forecasts)
