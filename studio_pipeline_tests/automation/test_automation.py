"""All of the automation as it is wired: it is on, asks for jobs that are there, and dates every asset."""

from datetime import timedelta

import dagster as dg

from studio_pipeline.automation.jobs import MONITOR_RELEASE, daily, monitor_release, monthly, with_freshness
from studio_pipeline.automation.sensors import daily_monitoring
from studio_pipeline.definitions import defs


def test_everything_runs_without_a_hand_on_it() -> None:
    repository = defs.get_repository_def()
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    schedules = {schedule.name: schedule.default_status for schedule in repository.schedule_defs}
    assert {"alerts", "alert_delivery"} <= set(sensors)
    assert set(sensors.values()) == {dg.DefaultSensorStatus.RUNNING}
    assert set(schedules.values()) == {dg.DefaultScheduleStatus.RUNNING}
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {sensor.job.name for sensor in repository.sensor_defs if len(sensor.targets) == 1} <= jobs


@dg.asset(group_name="monitoring")
def drift_report() -> None: ...


@dg.asset_check(asset=drift_report)
def no_drift() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset(group_name="model_fits")
def tuned_hyperparameters() -> None: ...


def test_a_refresh_is_due_monthly_monitoring_daily_and_what_neither_makes_never() -> None:
    never_made = frozenset({"tuned_hyperparameters"})
    dated = with_freshness([drift_report, tuned_hyperparameters], without=never_made)
    policies = {asset.key.to_user_string(): next(iter(asset.specs)).freshness_policy for asset in dated}
    assert policies == {"drift_report": daily, "tuned_hyperparameters": None}
    assert daily.fail_window.to_timedelta() > timedelta(days=1)
    graph = defs.resolve_asset_graph()
    for refreshed in ("raw_studio_months", "studio_forecasts"):
        assert graph.get(dg.AssetKey(refreshed)).freshness_policy == monthly


def test_the_daily_job_makes_the_monitoring_assets_and_their_checks_and_nothing_else() -> None:
    stand_ins = dg.Definitions(
        assets=[drift_report, tuned_hyperparameters], asset_checks=[no_drift], jobs=[monitor_release]
    )
    result = stand_ins.resolve_job_def(MONITOR_RELEASE).execute_in_process()
    made = [event.asset_key for event in result.get_asset_materialization_events()]
    assert made == [dg.AssetKey("drift_report")]
    assert [evaluation.check_name for evaluation in result.get_asset_check_evaluations()] == ["no_drift"]
    request = daily_monitoring(dg.build_schedule_context())
    assert request.tags["studio/trigger"] == "schedule"
    assert request.tags["studio/reason"].startswith("Daily monitoring: ")
