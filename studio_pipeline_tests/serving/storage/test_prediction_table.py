"""Logged predictions in the database: as they were, once each, found, pruned and cleared."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from logged_predictions import entry
from sqlalchemy import func, select, text

from serving.storage import predictions as prediction_table
from serving.storage.database import Database
from serving.storage.predictions import PredictionTable
from serving.storage.schema import predictions
from studio_pipeline.errors import InputError

LEVERS = {
    "sqlite": text("SELECT json_extract(inputs, '$.levers') FROM predictions"),
    "postgresql": text("SELECT inputs ->> 'levers' FROM predictions"),
}


@pytest.fixture
def table(database: Database) -> PredictionTable:
    return PredictionTable(database)


def count(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(predictions)) or 0)


def test_an_entry_comes_back_as_it_was_to_the_last_byte(table: PredictionTable) -> None:
    kept = entry('Stüdio "1" 🚲 \'; --', kind="inverse", role="challenger")
    table.write([kept])
    assert table.find(kept.id) == kept
    assert table.find("another") is None


def test_nothing_is_doubled_and_nothing_overwritten(table: PredictionTable, database: Database) -> None:
    kept = [entry() for _ in range(5)]
    table.write(kept[:3])
    table.write([replace(one, model_version="other") for one in kept])
    assert count(database) == 5
    found = [table.find(one.id) for one in kept]
    assert [one.model_version for one in found if one] == ["7", "7", "7", "other", "other"]


@pytest.mark.parametrize("rows", [0, 1, 79, 80, 81, 500])
def test_batches_of_any_size_are_written(table: PredictionTable, database: Database, rows: int) -> None:
    table.write([entry() for _ in range(rows)])
    assert count(database) == rows


def test_a_batch_is_kept_whole_or_not_at_all(table: PredictionTable, database: Database) -> None:
    entries = [entry() for _ in range(200)]
    bad = replace(entries[150], studio_id="nul\0")
    if database.dialect == "sqlite":
        bad = replace(bad, release_version=2**70)
    with pytest.raises((InputError, OverflowError)):
        table.write([*entries[:150], bad, *entries[151:]])
    assert count(database) == 0


def test_the_columns_are_what_the_tables_say(table: PredictionTable, database: Database) -> None:
    made_at = datetime(2024, 5, 6, 7, 8, 9, 0, tzinfo=UTC)
    table.write([entry(made_at=made_at)])
    with database.reading() as connection:
        row = connection.execute(select(predictions)).one()
        assert connection.scalar(LEVERS[database.dialect]) == '{"avg_ticket_price":150.0}'
    assert row.made_at == made_at
    assert row.base_month == date(2021, 12, 1)
    assert row.outputs["apple"] == [1e-7, 12345.678901234567]


def test_old_entries_are_pruned_in_small_steps(
    table: PredictionTable, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_table, "DELETED_AT_ONCE", 4)
    now = datetime.now(UTC)
    old = [entry(made_at=now - timedelta(days=10, seconds=age)) for age in range(10)]
    young = [entry(made_at=now - timedelta(days=9)) for _ in range(3)]
    table.write([*old, *young])
    before = now - timedelta(days=10) + timedelta(milliseconds=1)
    assert [table.prune(before) for _ in range(4)] == [4, 4, 2, 0]
    assert [table.find(one.id) for one in young] == young


def test_a_studio_is_cleared_whatever_clock_dated_its_entries(
    table: PredictionTable, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_table, "DELETED_AT_ONCE", 4)
    now = datetime.now(UTC)
    mine = [entry("mine", made_at=now - timedelta(seconds=age)) for age in range(9)]
    later, others = entry("mine", made_at=now + timedelta(hours=1)), entry("other", made_at=now)
    table.write([*mine, later, others])
    assert table.delete_studio("mine") == 10
    assert table.find(others.id) == others
    assert count(database) == 1
