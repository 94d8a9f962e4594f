"""The watch on live errors: rare false alarms in honest years, and how soon a larger error is found."""

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.monitoring.accuracy.record import AccuracyRecord
from studio_pipeline.monitoring.accuracy.scored_forecasts import promised_wape, promises_of
from studio_pipeline.monitoring.accuracy.watch import COVERAGE_ALARM, ERROR_ALARM, chart, threshold, watch
from studio_pipeline.monitoring.thresholds import AccuracyConfig
from studio_pipeline_tests.monitoring.accuracy_worlds import metrics_of

WAPE, SCATTER, N_BACKTEST = 0.03, 0.15, 24
RULES = AccuracyConfig()


def cells(shares: np.ndarray, coverage: np.ndarray, n: float = 50.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sums of one-month-ahead forecasts with these WAPEs and coverages, a month each."""
    months = pd.date_range("2024-01-01", periods=len(shares), freq="MS").astype("datetime64[ns]")
    keys = pd.DataFrame(dict.fromkeys(("month_year", "base_month", "made_month"), months))
    keys = keys.assign(source="published", kind="free", role="champion", model_version="1", horizon=1, n=n)
    errors = keys.assign(actual=1e6, error=0.0, absolute_error=1e6 * shares, promised_error=1e6 * WAPE)
    return errors.assign(naive_error=1.0), keys.assign(level=0.9, inside=n * coverage)


def promises(mean: float = WAPE, scatter: float = SCATTER) -> pd.DataFrame:
    table = AccuracyRecord().promises
    line = {"model_version": "1", "horizon": 1, "wape": mean, "n_studios": 50.0, "n_months": 24.0}
    return pd.DataFrame([line | {"error_scatter": scatter, "coverage_scatter": 0.04}])[list(table)]


def lived(rng: np.random.Generator, months: int, factor: float = 1.0, coverage: float = 0.9):
    """The watch over months whose backtest was drawn from the same world."""
    backtest = WAPE * np.exp(rng.normal(-(SCATTER**2) / 2, SCATTER, N_BACKTEST))
    shares = factor * WAPE * np.exp(rng.normal(-(SCATTER**2) / 2, SCATTER, months))
    held = np.clip(coverage + rng.normal(0, 0.04, months), 0, 1)
    errors, inside = cells(shares, held)
    errors["promised_error"] = 1e6 * backtest.mean()
    return watch(errors, inside, promises(scatter=float(np.log(backtest).std(ddof=1))), RULES)


def first_above(values: pd.Series) -> float:
    above = np.flatnonzero(values.to_numpy() > 1)
    return float(above[0] + 1) if above.size else np.inf


@pytest.mark.parametrize("change", [0.6, 1.0, 2.0])
def test_thresholds_keep_the_rate_of_false_alarms(change: float) -> None:
    rate = 1 / 120
    draws = np.random.default_rng(3).normal(size=200_000)
    allowance = min(max(change / 2, 0.25), 1.25)
    limit, total, alarms = threshold(allowance, rate), 0.0, 0
    for draw in draws:
        total = max(total + draw - allowance, 0.0)
        if total > limit:
            total, alarms = 0.0, alarms + 1
    assert alarms / len(draws) == pytest.approx(rate, rel=0.25)


@pytest.mark.parametrize("years", [99, pytest.param(999, marks=pytest.mark.campaign)])
def test_honest_years_bring_few_false_alarms(years: int) -> None:
    """Watched for three years at a time; an alarm is counted where it begins."""
    rng, alarmed = np.random.default_rng(5), 0
    for _ in range(years // 3):
        months = lived(rng, 36).months
        above = (months[["error_sum", "coverage_sum"]] > 1).to_numpy().any(axis=1)
        alarmed += int((above & ~np.r_[False, above[:-1]]).sum())
    assert alarmed <= years * RULES.false_alarms_a_year


def test_a_larger_error_is_found_in_a_few_months() -> None:
    rng = np.random.default_rng(6)
    found = [first_above(lived(rng, 24, factor=1.3).months["error_sum"]) for _ in range(100)]
    assert np.median(found) <= 6
    assert np.mean(np.array(found) <= 12) >= 0.9


def test_intervals_that_hold_too_rarely_are_found() -> None:
    rng = np.random.default_rng(7)
    found = [first_above(lived(rng, 24, coverage=0.8).months["coverage_sum"]) for _ in range(50)]
    assert np.median(found) <= 6
    assert lived(rng, 24, coverage=0.75).alarm == COVERAGE_ALARM
    assert lived(rng, 24, factor=1.6).alarm == ERROR_ALARM


def test_no_month_is_an_alarm_by_itself_and_an_alarm_ends() -> None:
    draws = np.array([50.0, 0.0, 50.0, 50.0, 50.0, *[-1.0] * 12])
    alarms = chart(draws, 1.0, 1 / 240).values > chart(draws, 1.0, 1 / 240).threshold
    assert not alarms[0]
    assert alarms[3]
    assert not alarms[-1]


def test_what_can_not_be_compared_is_not_watched() -> None:
    shares, held = np.full(6, 10 * WAPE), np.full(6, 0.1)
    assert watch(*cells(shares, held), promises(), RULES).alarm
    assert watch(*cells(shares, held, n=20.0), promises(), RULES).months.empty
    empty = AccuracyRecord()
    nothing = watch(empty.errors, empty.coverage, empty.promises, RULES)
    assert (nothing.alarm, len(nothing.words)) == ("", 1)


def test_promises_of_spans_are_met_month_by_month() -> None:
    spans = {1: 0.02, 3: 0.03, 6: 0.042, 12: 0.062}
    names = {1: "1", 3: "1-3", 6: "1-6", 12: "1-12"}
    wape = promised_wape({f"revenue_wape_{names[h]}_ensemble": value for h, value in spans.items()})
    for h, value in spans.items():
        assert wape[:h].mean() == pytest.approx(value)
    assert (np.diff(wape) > 0).all()
    assert np.isnan(promised_wape({})).all()
    assert promises_of([], AccuracyRecord().promises).empty
    short = promised_wape({key: value for key, value in metrics_of(0.05).items() if "12" not in key})
    assert np.isnan(short[6:]).all()
    assert short[:6] == pytest.approx(0.05)
