"""The landing sensor over real files and a real Dagster instance."""

import re
from datetime import UTC, datetime

import dagster as dg
import pytest

from studio_pipeline.automation import decisions as landing_decision
from studio_pipeline.automation.decisions import RunEnd
from studio_pipeline.automation.run_history import attempts_of
from studio_pipeline.automation.sensors import landing_folder, monthly_refresh
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.settings import Settings
from studio_pipeline_tests.automation.conftest import ROW, Daemon, Pipeline


@pytest.fixture
def sensor(pipeline: Pipeline) -> Daemon:
    return Daemon(pipeline, landing_folder)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing_decision, "RETRY_SECONDS", 0.0)


def test_one_request_for_many_files_and_another_for_one_that_comes_during_a_run(pipeline, sensor) -> None:
    sensor.skips("is empty")
    pipeline.drop("a.csv")
    pipeline.drop("b.csv")
    pipeline.drop("b.columns.yaml", "decimal: '.'")
    tags = sensor.asks()
    assert tags["studio/trigger"] == "landing"
    assert tags["studio/reason"] == "The landing folder changed: new: a.csv, b.columns.yaml, b.csv."
    pipeline.begin(tags)
    sensor.skips("queued or going on")
    pipeline.instance.report_run_canceled(pipeline.instance.get_runs()[0])
    assert pipeline.run(tags)
    sensor.skips("Nothing new")
    going_on = pipeline.begin()
    pipeline.drop("c.csv")
    sensor.skips("queued or going on")
    pipeline.instance.report_run_canceled(going_on)
    assert sensor.asks()["studio/reason"] == "The landing folder changed: new: c.csv."


def test_what_a_run_by_hand_has_read_is_not_asked_for_and_what_is_restored_is(pipeline, sensor) -> None:
    pipeline.drop("a.csv")
    assert pipeline.run(selection=["raw_studio_months"])
    assert (pipeline.settings.home / "read").exists()
    sensor.asks()  # A run that only reads the files makes no release of them.
    assert pipeline.run()
    sensor.skips("Nothing new")
    pipeline.drop("b.csv")
    assert pipeline.run(sensor.asks())
    (pipeline.settings.landing_dir / "b.csv").unlink()
    tags = sensor.asks()
    assert tags["studio/reason"] == "The landing folder changed: removed: b.csv."
    assert pipeline.run(tags)
    sensor.skips("Nothing new")
    pipeline.drop("a.csv", ROW.replace("100", "101"))
    sensor.skips("Still being written: a.csv.")


def test_after_a_failed_run_it_waits_for_other_content(pipeline: Pipeline, sensor: Daemon) -> None:
    (pipeline.settings.home / "poisoned").touch()
    pipeline.drop("b.csv")
    assert not pipeline.run(sensor.asks())
    sensor.skips("failed over these files; correct them")
    (pipeline.settings.home / "poisoned").unlink()
    (pipeline.settings.landing_dir / "b.csv").unlink()
    pipeline.drop("b2.csv", ROW.replace("100", "101"))
    assert pipeline.run(sensor.asks())
    sensor.skips("Nothing new")


@pytest.mark.usefixtures("no_wait")
def test_a_run_that_lost_the_race_for_the_lock_is_tried_again(pipeline: Pipeline, sensor: Daemon) -> None:
    pipeline.drop("a.csv")
    tags = sensor.asks()
    with hold_lock(pipeline.settings.home):
        assert not pipeline.run(tags)
    assert [attempt.end for attempt in attempts_of(pipeline.instance)] == [RunEnd.CROWDED_OUT]
    assert not (pipeline.settings.home / "read").exists()
    again = sensor.asks()
    assert "was crowded out, and these are unread" in again["studio/reason"]
    assert pipeline.run(again)
    sensor.skips("Nothing new")


@pytest.mark.usefixtures("no_wait")
def test_a_run_that_was_killed_is_tried_again_a_few_times(pipeline: Pipeline, sensor: Daemon) -> None:
    pipeline.drop("a.csv")
    for _ in range(landing_decision.MOST_TRIES):
        killed = pipeline.begin(sensor.asks())
        pipeline.instance.report_run_failed(killed, "The process was killed before the run ended.")
    sensor.skips("3 runs over these files were killed")


def test_a_lost_cursor_loses_nothing_and_asks_for_nothing_twice(pipeline: Pipeline, sensor: Daemon) -> None:
    pipeline.drop("a.csv")
    pipeline.begin(sensor.asks())
    for cursor in ("", "nonsense", "[]", '{"files": {"a": 1}, "accepted": {}}'):
        sensor.cursor = cursor
        sensor.skips("queued or going on")


def test_a_folder_that_was_named_and_is_not_there_is_told(settings: Settings, pipeline: Pipeline) -> None:
    elsewhere = settings.model_copy(update={"landing_dir": settings.home / "elsewhere"})
    context = dg.build_sensor_context(pipeline.instance, resources={"settings": elsewhere})
    answer = landing_folder(context)
    assert "elsewhere is not a folder" in str(answer.skip_message)


def test_the_month_asks_unless_a_run_of_it_has_read_the_same(pipeline: Pipeline) -> None:
    def ask(at: datetime) -> dg.RunRequest | dg.SkipReason:
        given = {"scheduled_execution_time": at, "resources": {"settings": pipeline.settings}}
        answer = monthly_refresh(dg.build_schedule_context(pipeline.instance, **given))
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    now = datetime.now(UTC)
    next_month = datetime(now.year + now.month // 12, now.month % 12 + 1, 3, 6, tzinfo=UTC)
    pipeline.drop("a.csv")
    first = ask(now)
    assert first.tags["studio/trigger"] == "schedule"
    assert re.fullmatch(r"Monthly refresh: no run .* since \w+ began\.", first.tags["studio/reason"])
    assert pipeline.run(dict(first.tags))
    assert isinstance(ask(now), dg.SkipReason)
    assert isinstance(ask(next_month), dg.RunRequest)
