"""The two sensors on a real instance: small jobs with failing checks, real files, a real webhook."""

import dataclasses
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from studio_pipeline.alerting.conditions import Message
from studio_pipeline.alerting.outbox import Outbox
from studio_pipeline.automation import alerts
from studio_pipeline.automation.alerts import alert_sensors
from studio_pipeline.cli.commands.status import status_command
from studio_pipeline.errors import ChannelError
from studio_pipeline.publishing.releases import Release
from studio_pipeline.settings import Settings, read_settings
from studio_pipeline_tests.alerting.test_outbox import FakeChannel


class Stage:
    """A home with its instance, the two sensors, a channel and a clock that a test moves."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.settings: Settings = read_settings(env_file=None, home=home, dagster_url="http://d:1/")
        self.instance, self.channel = instance, FakeChannel("webhook")
        self.now = datetime.now(UTC).replace(hour=3)
        self.watch, self.deliver = alert_sensors(
            lambda: self.settings, lambda _: [self.channel], lambda: self.now
        )

    def tick(self) -> list[Message]:
        before = len(self.channel.taken)
        for sensor in (self.watch, self.deliver):
            with dg.build_sensor_context(instance=self.instance) as context:
                assert isinstance(sensor(context), dg.SkipReason)
        return self.channel.taken[before:]

    def run(self, result: dict[str, Any], **decision: Any) -> str:
        """A run of a small graph with one check that answers `result`; what the asset says is `decision`."""

        @dg.asset
        def registered_model() -> dg.MaterializeResult:
            if decision.get("breaks"):
                raise ValueError("studio_months are gone")
            return dg.MaterializeResult(metadata=decision)

        @dg.asset_check(asset=registered_model, blocking=result.pop("blocking", False))
        def is_sound() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(**result)

        job = dg.define_asset_job("refresh_release")
        small = dg.Definitions(assets=[registered_model], asset_checks=[is_sound], jobs=[job])
        whole = small.resolve_job_def("refresh_release")
        done = whole.execute_in_process(instance=self.instance, raise_on_error=False)
        return done.run_id


@pytest.fixture
def stage(tmp_path: Path, instance: dg.DagsterInstance) -> Stage:
    return Stage(tmp_path / "home", instance)


FAILED_ROWS = dg.MetadataValue.table(
    [dg.TableRecord({"file": "march.csv", "line": 3, "reason": "retention of 93"})],
    dg.TableSchema([dg.TableColumn(name, "string") for name in ("file", "line", "reason")]),
)
WARNING = {"passed": False, "severity": dg.AssetCheckSeverity.WARN, "description": "5 rows are odd."}


def test_a_warning_is_told_once_with_its_rows_and_link_and_then_its_end(stage: Stage) -> None:
    run_id = stage.run(WARNING | {"metadata": {"rows": FAILED_ROWS}})
    (message,) = stage.tick()
    assert (message.kind, message.title) == ("warning", "The check is_sound of registered_model failed.")
    assert "5 rows are odd." in message.text
    assert "file: march.csv, line: 3, reason: retention of 93" in message.text
    assert message.link == f"http://d:1/runs/{run_id}"
    assert stage.tick() == []
    stage.run(WARNING | {"description": "6 rows are odd."})
    assert stage.tick() == []
    run_id = stage.run({"passed": True})
    (message,) = stage.tick()
    assert (message.kind, message.link) == ("recovery", f"http://d:1/runs/{run_id}")


def test_an_alarm_names_what_is_the_same(stage: Stage) -> None:
    stage.run(WARNING | {"metadata": {"alarm": "retention fell in Yoga"}})
    assert len(stage.tick()) == 1
    stage.run(WARNING | {"metadata": {"alarm": "retention fell in Yoga"}, "description": "Other words."})
    assert stage.tick() == []
    stage.run(WARNING | {"metadata": {"alarm": "price fell in Dance"}})
    assert "price fell in Dance" in stage.tick()[0].text


def test_a_blocking_failure_tells_the_check_and_the_run_and_both_recover(stage: Stage) -> None:
    stage.run({"passed": False, "severity": dg.AssetCheckSeverity.ERROR, "blocking": True})
    kinds = [(message.kind, message.title) for message in stage.tick()]
    assert kinds == [
        ("error", "The check is_sound of registered_model failed."),
        ("error", "A run of the job refresh_release failed."),
    ]
    stage.run({"passed": True})
    assert [message.kind for message in stage.tick()] == ["recovery", "recovery"]


REFUSAL = "The new model was refused; the old one goes on."


def test_refusals_begin_and_end(stage: Stage) -> None:
    for decision, title in [
        ({"decision_kind": "nothing_new", "model_promoted": False}, None),
        ({"decision_kind": "refresh_refused"}, REFUSAL),
        ({"decision_kind": "nothing_new", "model_promoted": False}, None),
        ({"model_promoted": False, "decision_kind": "refresh_refused"}, None),
        ({"decision_kind": "challenge_refused"}, "The challenger was refused; the old one goes on."),
        ({"decision_kind": "rollback"}, "Well again: publication of new models."),
        ({"model_promoted": False}, REFUSAL),
        ({}, None),
        ({"model_promoted": True}, "Well again: publication of new models."),
    ]:
        stage.run({"passed": True}, decision="No better than naive.", **decision)
        messages = stage.tick()
        assert [message.title for message in messages] == ([title] if title else []), decision
        assert all("No better than naive." in message.text for message in messages)


def test_a_tick_that_is_cut_off_loses_and_doubles_nothing(stage, monkeypatch) -> None:
    stage.run({"passed": True}, breaks=True)
    stage.run({"passed": True})
    stage.run({"passed": True}, breaks=True)
    real, calls = Outbox.take, 0

    def cut_off(self: Outbox, *arguments: Any, **named: Any) -> bool:
        nonlocal calls
        calls += 1
        taken = real(self, *arguments, **named)
        if calls % 2 == 0:
            raise KeyboardInterrupt
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "take", cut_off)
        for _ in range(8):
            with suppress(KeyboardInterrupt), dg.build_sensor_context(instance=stage.instance) as context:
                stage.watch(context)
    messages = stage.tick()
    assert [message.kind for message in messages] == ["error", "recovery", "error"]
    assert "registered_model: ValueError: studio_months are gone" in messages[0].text


def test_a_broken_channel_fails_the_tick_and_status_shows_it(stage, monkeypatch) -> None:
    monkeypatch.setenv("STUDIO_HOME", str(stage.settings.home))
    stage.run(WARNING)
    stage.channel.is_down = True
    with pytest.raises(ChannelError, match="webhook: It is down"):
        stage.tick()
    shown = CliRunner().invoke(status_command, catch_exceptions=False).output
    assert "Channel webhook takes no alerts since" in shown
    assert "1 wait" in shown
    assert "The check is_sound of registered_model failed." in shown
    stage.channel.is_down, stage.now = False, stage.now + timedelta(seconds=10)
    assert len(stage.tick()) == 1
    assert "takes no alerts" not in CliRunner().invoke(status_command, catch_exceptions=False).output


def test_late_data_are_told_daily_until_they_arrive(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.now = datetime(2026, 3, 11, 0, 10, tzinfo=UTC)
    release = Release("1", "d", "landing", date(2026, 1, 1), "run", stage.now, {}, version=4)
    monkeypatch.setattr(alerts, "current_release", lambda _: release)
    assert [message.title for message in stage.tick()] == ["The data are late: 2026-02 is not published."]
    stage.now += timedelta(hours=6)
    assert stage.tick() == []
    stage.now += timedelta(days=1)
    titles = [message.title for message in stage.tick()]
    assert titles == ["Still since 2026-03-11: The data are late: 2026-02 is not published."]
    release = dataclasses.replace(release, last_month=date(2026, 2, 1))
    assert [message.title for message in stage.tick()] == ["Well again: arrival of data."]
    release = dataclasses.replace(release, last_month=date(2020, 2, 1), source="generator")
    assert stage.tick() == []


def test_one_heartbeat_a_day_also_across_restarts(stage: Stage) -> None:
    stage.now = datetime(2026, 3, 11, 5, tzinfo=UTC)
    days = []
    for _ in range(60):
        again = Stage(stage.settings.home, stage.instance)
        again.now = stage.now
        days += [stage.now.day for message in again.tick() if message.kind == "heartbeat"]
        stage.now += timedelta(hours=1)
    assert days == [11, 12, 13]


def test_a_canceled_run_is_told_and_a_whole_run_ends_what_failed_by_hand(stage: Stage) -> None:
    run = stage.instance.get_run_by_id(stage.run({"passed": True}))
    stage.tick()
    stage.instance.report_run_canceled(run)
    assert [message.title for message in stage.tick()] == ["A run of the job refresh_release was canceled."]
    run = dg.DagsterRun(job_name="__ASSET_JOB")
    stage.instance.add_run(run)
    stage.instance.report_run_failed(run)
    assert [message.title for message in stage.tick()] == ["A run of the materialisation from the UI failed."]
    stage.run({"passed": True})
    titles = [message.title for message in stage.tick()]
    assert "Well again: materialisation from the UI." in titles
    assert len(titles) == 2


def test_an_idle_tick_is_cheap_and_writes_nothing(stage: Stage) -> None:
    stage.now = stage.now.replace(hour=8)
    stage.tick()
    before = (stage.settings.home / "alerts.db").stat().st_mtime_ns
    started = time.process_time()
    for _ in range(10):
        assert stage.tick() == []
    assert (time.process_time() - started) / 10 < 0.2
    assert (stage.settings.home / "alerts.db").stat().st_mtime_ns == before
