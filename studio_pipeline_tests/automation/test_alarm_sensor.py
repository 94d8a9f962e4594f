"""The sensor on drift and errors over a real Dagster instance; what it watches are stand-ins here."""

import json

import dagster as dg
import pytest

from studio_pipeline.automation.jobs import TUNE_LEARNERS, refresh_release
from studio_pipeline.automation.sensors import WATCHED, begun, drift_sensor
from studio_pipeline_tests.automation.conftest import Daemon, Pipeline


@dg.op
def search() -> None: ...


@dg.job(name=TUNE_LEARNERS)
def tune_learners() -> None:
    search()


class Watch(Daemon):
    """The sensor on drift and errors, while checks say what a test wants."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline, drift_sensor([refresh_release, tune_learners]))

    def evaluate(self, alarm: str, check: int = 0) -> None:
        key = WATCHED[check]
        told = {"severity": dg.AssetCheckSeverity.WARN, "metadata": {"alarm": dg.MetadataValue.text(alarm)}}
        evaluation = dg.AssetCheckEvaluation(
            asset_key=key.asset_key, check_name=key.name, passed=not alarm, **told
        )
        self.pipeline.instance.report_runless_asset_event(evaluation)

    def asks(self, job: str | None = None) -> dict[str, str]:
        tags = super().asks(job)
        assert tags["studio/trigger"] == "drift"
        return tags


@pytest.fixture
def watch(pipeline: Pipeline) -> Watch:
    return Watch(pipeline)


def test_an_alarm_leads_to_a_search_a_challenge_and_then_to_nothing_until_it_is_new(pipeline, watch) -> None:
    pipeline.drop("a.csv")
    assert pipeline.run()
    watch.skips("No alarm stands.")
    watch.evaluate("retention is drifting")
    tags = watch.asks(TUNE_LEARNERS)
    assert tags["studio/reason"].startswith("no_drift: retention is drifting: a refit gives the same model")
    assert json.loads(tags["studio/alarms"]) == ["retention is drifting"]
    assert tune_learners.execute_in_process(instance=pipeline.instance, tags=tags).success
    challenge = watch.asks("refresh_release")
    assert "the tuned recipe is to challenge" in challenge["studio/reason"]
    assert pipeline.run(challenge)
    watch.evaluate("retention is drifting")
    watch.skips("was asked for already")
    watch.evaluate("errors are too large", check=1)
    assert json.loads(watch.asks(TUNE_LEARNERS)["studio/alarms"]) == [
        "errors are too large",
        "retention is drifting",
    ]
    watch.evaluate("")
    watch.evaluate("", check=1)
    watch.skips("No alarm stands.")
    watch.evaluate("retention is drifting")
    watch.asks(TUNE_LEARNERS)


def test_an_alarm_over_unread_months_leads_to_a_refresh(pipeline: Pipeline, watch: Watch) -> None:
    pipeline.drop("a.csv")
    watch.evaluate("retention is drifting")
    tags = watch.asks("refresh_release")
    assert "months that the model has not learned from" in tags["studio/reason"]
    assert pipeline.run(tags)
    watch.skips("was asked for already")


def test_a_search_that_was_killed_is_asked_for_again(pipeline: Pipeline, watch: Watch) -> None:
    pipeline.drop("a.csv")
    assert pipeline.run()
    watch.evaluate("retention is drifting")
    tags = watch.asks(TUNE_LEARNERS)
    started = dg.DagsterRunStatus.STARTED
    going_on = pipeline.instance.create_run_for_job(tune_learners, tags=tags, status=started)
    watch.skips("A search for better hyperparameters is queued or going on.")
    pipeline.instance.report_run_failed(going_on, "The process was killed.")
    watch.asks(TUNE_LEARNERS)


def test_a_check_that_was_planned_and_never_came_hides_no_alarm(pipeline: Pipeline, watch: Watch) -> None:
    @dg.asset_check(asset=WATCHED[0].asset_key, name=WATCHED[0].name)
    def no_drift() -> dg.AssetCheckResult:
        raise ValueError("the run ended before its check")

    watch.evaluate("retention is drifting")
    broken = dg.Definitions(
        asset_checks=[no_drift], jobs=[dg.define_asset_job("checks", dg.AssetSelection.all_asset_checks())]
    )
    job = broken.resolve_job_def("checks")
    assert not job.execute_in_process(instance=pipeline.instance, raise_on_error=False).success
    watch.asks("refresh_release")


def test_the_sensor_is_without_a_job_that_is_not_there(pipeline: Pipeline, watch: Watch) -> None:
    pipeline.drop("a.csv")
    assert pipeline.run()
    watch.sensor = drift_sensor([refresh_release])
    watch.evaluate("retention is drifting")
    watch.skips("no job tunes the learners")


def test_alarms_keep_their_beginning_unless_they_ceased_or_the_cursor_cannot_be_read() -> None:
    assert begun(["a", "c"], '{"a": 1, "b": 2}', 5.0) == {"a": 1.0, "c": 5.0}
    for cursor in (None, "", "nonsense", "[1]", '{"a": "b"}'):
        assert begun(["a"], cursor, 5.0) == {"a": 5.0}, cursor
