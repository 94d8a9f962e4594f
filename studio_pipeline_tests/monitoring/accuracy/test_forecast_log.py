"""The reader against the service's own tables, on both kinds of database."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from serving.storage import schema as tables
from serving.storage.database import Database
from serving.storage.predictions import LoggedPrediction, PredictionTable
from serving.storage.scenarios import ScenarioStore
from studio_pipeline.monitoring.accuracy import forecast_rows as accuracy_log
from studio_pipeline.monitoring.accuracy.forecast_rows import ForecastLog, Reading
from studio_pipeline.monitoring.accuracy.logged_forecasts import saved_scenarios
from studio_pipeline.settings import read_settings
from studio_pipeline_tests.monitoring.accuracy_worlds import logged
from studio_pipeline_tests.serving.postgresql import empty_database

NOW = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with empty_database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[Database]:
    opened = Database(read_settings(None, home=tmp_path, database_url=url))
    yield opened
    opened.close()


def entry(number: int, **fields: object) -> LoggedPrediction:
    answer = logged("a")
    asked = {"id": f"{number:08}", "kind": "forward", "studio_id": "a", "base_month": date(2023, 12, 1)}
    texts = {"inputs": answer.inputs.encode(), "outputs": answer.outputs.encode()}
    made = {"made_at": NOW + timedelta(seconds=number), "release_version": 3, "model_version": "7"}
    return LoggedPrediction(**asked | texts | made | {"data_version": "abc", "role": "challenger"} | fields)


@pytest.mark.parametrize("name", ["predictions", "scenarios", "deletions"])
def test_the_columns_are_those_of_the_service(name: str) -> None:
    ours, theirs = getattr(accuracy_log, name), getattr(tables, name)
    assert ours.name == theirs.name
    assert {column.name for column in ours.columns} <= {column.name for column in theirs.columns}


def test_answers_are_read_in_batches(url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy_log, "BATCH_ROWS", 2)
    written = [entry(number) for number in range(5)]
    PredictionTable(database).write([*written, entry(9, kind="inverse")])
    reading = Reading()
    batches = list(ForecastLog(url).answers(reading))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert reading.problem == ""
    rows = sorted((row for batch in batches for row in batch), key=lambda row: row.made_at)
    first = rows[0]
    assert (first.studio_id, first.base_month, first.role) == ("a", date(2023, 12, 1), "challenger")
    assert orjson.loads(first.outputs) == orjson.loads(written[0].outputs)
    assert accuracy_log.moment(first.made_at) == NOW.replace(tzinfo=None)
    later = ForecastLog(url).answers(reading, (NOW + timedelta(seconds=3)).replace(tzinfo=None))
    assert sum(map(len, later)) == 2


def test_scenarios_and_deletions_are_read(url: str, database: Database) -> None:
    answer = orjson.loads(logged("a").outputs) | {"scenario_id": "one", "base_month": "2023-12-01"}
    answer |= {"model_version": "7", "data_version": "d"}
    request = {"studio_id": "a", "projection_months": 3, "levers": {"avg_ticket_price": 90.0}}
    ScenarioStore(database).save("Dearer", request, answer, 3)
    log, reading = ForecastLog(url), Reading()
    (scenario,), unreadable = saved_scenarios(log.saved(reading, 10))
    assert (scenario.name, scenario.query.studio_id, unreadable) == ("Dearer", "a", 0)
    assert scenario.query.levers == {"avg_ticket_price": 90.0}
    assert str(scenario.query.base_month) == "2023-12"
    assert scenario.predicted.tolist() == [100.0] * 3
    assert log.existing(reading, ["one", "gone"]) == {"one"}
    with database.writing() as connection:
        connection.execute(tables.deletions.insert().values(studio_id="a", deleted_at=NOW))
    assert log.deleted(reading) == {"a": NOW.replace(tzinfo=None)}
    assert reading.problem == ""


def test_the_reader_can_not_write(url: str, database: Database) -> None:
    PredictionTable(database).write([entry(1)])
    engine = accuracy_log._read_only(url)
    with engine.connect() as connection, pytest.raises(Exception, match=r"read-?only"):
        connection.execute(tables.predictions.delete())
    engine.dispose()


def test_a_log_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for url, said in (
        (f"sqlite:///{tmp_path}/none.db", "not logged anything yet"),
        (f"sqlite:///{tmp_path}/empty.db", "could not be read"),
        ("postgresql://postgres@127.0.0.1:1/none", "could not be read"),
    ):
        reading = Reading()
        assert list(ForecastLog(url).answers(reading)) == []
        assert said in reading.problem
    assert not (tmp_path / "none.db").exists()
