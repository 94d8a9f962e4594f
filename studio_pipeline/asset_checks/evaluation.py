"""Checks of the evaluation's tables, and of what is published and its accuracy.

The guard-rail check only reports: the release decision is made in `assets.decisions`.
"""

from functools import partial
from operator import attrgetter
from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.asset_checks.schema_checks import FORECASTS, check_result, schema_check
from studio_pipeline.configuration import Configuration
from studio_pipeline.errors import ReleaseError
from studio_pipeline.evaluation.levers.lever_text import worse_than_none_in_words
from studio_pipeline.evaluation.levers.true_effects import UNKNOWN_TRUTH
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.schemas import EFFECTS, METRICS, PREDICTIONS, SWEEP
from studio_pipeline.evaluation.promotion.guard_rails import guard_rails, merits
from studio_pipeline.evaluation.promotion.refitting import ChampionRefit
from studio_pipeline.monitoring.accuracy.record import AccuracyRecord
from studio_pipeline.monitoring.accuracy.watch import watch
from studio_pipeline.monitoring.drift.alarms import STUDIO_COLUMNS
from studio_pipeline.monitoring.drift.report import (
    ALARM_COLUMNS,
    STATISTIC_COLUMNS,
    DriftReport,
    alarm_sentences,
)
from studio_pipeline.publishing.releases import current_release, verify_release
from studio_pipeline.resources.asset_results import rows_metadata
from studio_pipeline.settings import Settings


@dg.asset_check(
    asset="evaluation_report",
    description="The model passes every guard rail by which `registered_model` decides.",
)
def fit_to_publish(
    evaluation_report: EvaluationReport, configuration: dg.ResourceParam[Configuration]
) -> dg.AssetCheckResult:
    """Report the findings of the guard rails; the decision is made in `registered_model`."""
    summary, rules = evaluation_report.summary, configuration.promotion
    findings = guard_rails(summary, rules)
    text = "\n".join(f"- {finding}" for finding in findings) or f"Fit: {merits(summary, rules)}."
    return check_result(not findings, text, findings=len(findings))


@dg.asset_check(
    asset="champion_refit",
    description="The published recipe can be fitted again, where a changed one has to beat it.",
)
def champion_can_be_refitted(champion_refit: ChampionRefit) -> dg.AssetCheckResult:
    """Report the obstacle to a refit, without which the comparison has less data."""
    return check_result(not champion_refit.obstacle, champion_refit.message)


@dg.asset_check(
    asset="lever_effects_against_truth",
    description="No intervention's predicted effect is worse than predicting none, where the truth is known.",
)
def effects_beat_none(lever_effects_against_truth: pd.DataFrame) -> dg.AssetCheckResult:
    """Report interventions for which the model should not be used."""
    worse = worse_than_none_in_words(lever_effects_against_truth)
    text = "\n".join(f"- {sentence}" for sentence in worse)
    unknown = None if len(lever_effects_against_truth) else UNKNOWN_TRUTH
    return check_result(not worse, text or unknown, worse_than_none=len(worse))


@dg.asset_check(
    asset="registered_model",
    blocking=True,
    description="Every file of the published bundle and snapshot has the SHA-256 that its manifest names.",
)
def release_is_whole(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
    """Read the release back as the service would, and compare every hash."""
    try:
        release = current_release(settings.home)
        verify_release(settings.home, release)
    except ReleaseError as error:
        return check_result(False, str(error), blocks=True)
    return check_result(True, None, blocks=True, release=release.version)


@dg.asset_check(
    asset="registered_model",
    description="The new model was not refused: by guard rails, by the model before it, or by its recipe.",
)
def new_model_published(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Report the decision of the promotion rules, read from the metadata of `registered_model`."""
    stored = context.instance.get_latest_materialization_event(dg.AssetKey("registered_model"))
    metadata = stored.asset_materialization.metadata if stored and stored.asset_materialization else {}
    kind = str(metadata["decision_kind"].value)
    figures = {name: value for name, value in metadata.items() if name.startswith("difference_")}
    text = str(metadata["decision"].value)
    return check_result(not kind.endswith("_refused"), text, decision_kind=kind, **figures)


@dg.asset_check(
    asset="forecast_accuracy",
    description="Live errors and intervals are as the backtest promised, but for noise.",
)
def errors_as_promised(
    forecast_accuracy: AccuracyRecord, configuration: dg.ResourceParam[Configuration]
) -> dg.AssetCheckResult:
    """Report the alarm, and the changes that can't be detected yet."""
    record = forecast_accuracy
    verdict = watch(record.errors, record.coverage, record.promises, configuration.accuracy)
    last = verdict.months.iloc[-1] if len(verdict.months) else None
    ratio: dict[str, Any] = {} if last is None else {"error_over_promise": float(last["ratio"])}
    text = "\n".join(f"- {sentence}" for sentence in verdict.words)
    return check_result(not verdict.alarm, text, alarm=verdict.alarm, months=len(verdict.months), **ratio)


@dg.asset_check(
    asset="drift_report",
    description="No alarm of drift stands, at the false-alarm rate of `drift.false_alarms_per_year`.",
)
def no_drift(drift_report: DriftReport) -> dg.AssetCheckResult:
    """Report the standing alarms, and the studios affected."""
    report, latest = drift_report, latest_month(drift_report.statistics)
    standing = report.alarms[report.alarms["standing"].astype(bool)]
    return check_result(
        not report.alarm,
        "\n".join(f"- {line}" for line in (*alarm_sentences(report.alarms), *report.not_seen)) or "No drift.",
        alarm=report.alarm,
        standing_alarms=len(standing),
        statistics=rows_metadata(latest, STATISTIC_COLUMNS),
        alarms=rows_metadata(standing, ALARM_COLUMNS),
        studios=rows_metadata(report.studios, STUDIO_COLUMNS),
    )


def latest_month(statistics: pd.DataFrame) -> pd.DataFrame:
    """Rows of all charts in the newest month with a statistic, the highest ratio first."""
    newest = statistics[statistics["month_year"] == statistics["month_year"].max()]
    return pd.DataFrame(newest.sort_values("ratio", ascending=False, kind="stable"))


report_check = partial(schema_check, "evaluation_report", stored=EvaluationReport)

CHECKS = [
    fit_to_publish,
    champion_can_be_refitted,
    effects_beat_none,
    schema_check("lever_sweep", SWEEP),
    schema_check("lever_effects_against_truth", EFFECTS),
    report_check(PREDICTIONS, table_of=attrgetter("predictions"), name="predictions_schema"),
    report_check(METRICS, table_of=attrgetter("metrics"), name="metrics_schema", blocking=True),
    release_is_whole,
    new_model_published,
    schema_check("studio_forecasts", FORECASTS),
    errors_as_promised,
    no_drift,
]
