"""Partial splits of revenue: whatever parts are given, the core's arithmetic adds up to the revenue."""

from collections.abc import Iterable
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.forecasting.backtest.core_backtest import fit_core
from studio_pipeline.forecasting.base.flows import FLOW_LINKS, flow_series, sigmoid
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.panel.validation.derivation import complete_split, fill_derived
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.typed_months import Findings
from studio_pipeline_tests.forecasting.fleets import SPLIT

OPTIONAL = (*SPLIT, "avg_ticket_price", "upsell_rate")
EVERY_SUBSET = [gone for n in range(len(OPTIONAL) + 1) for gone in combinations(OPTIONAL, n)]

UNTUNED = ForecastingConfig.model_validate({"core": {"tuning_rounds": 0}, "backtest": {"folds": 2}})


@cache
def generated(studios: int, months: int) -> pd.DataFrame:
    """A fleet that earns some other revenue."""
    frame = generate_months(GeneratorConfig(studios=studios, months=months, seed=3))
    other = 0.05 * frame["total_revenue"]
    return frame.assign(other_revenue=other, total_revenue=frame["total_revenue"] + other)


def panel_without(gone: Iterable[str], studios: int = 6, months: int = 30) -> StudioPanel:
    """The fleet as validation leaves it without some columns."""
    frame = generated(studios, months).assign(**dict.fromkeys(gone, np.nan))
    rejected, warnings, limits = Findings(len(frame)), Findings(len(frame)), ValidationConfig()
    complete_split(frame, limits, rejected, warnings)
    assert not rejected.marked.any()
    return panel_from_frame(fill_derived(frame, np.zeros(len(frame), dtype=bool), limits, warnings))


def rebuilt(panel: StudioPanel) -> FloatArray:
    """(S, T) revenue of the flows, as the simulation adds them up."""
    flow = {
        name: np.nan_to_num(sigmoid(f.values) if FLOW_LINKS[name] == "logit" else np.exp(f.values))
        for name, f in flow_series(panel).items()
    }
    per_member = (
        flow["ticket"] * flow["realisation"]
        + flow["retail_yield"]
        + flow["upsell_rate"] * flow["upsell_yield"]
        + flow["other_yield"]
    )
    return np.asarray(flow["members"] * (per_member + flow["visits"] * flow["pack_yield"]))


@pytest.mark.parametrize("gone", EVERY_SUBSET, ids=lambda gone: "-".join(gone) or "nothing")
def test_the_flows_add_up_to_revenue_without_any_subset_of_money_columns(gone: tuple[str, ...]) -> None:
    panel = panel_without(gone)
    np.testing.assert_allclose(rebuilt(panel), panel.values["total_revenue"], rtol=0.02)


def known_lever_error(panel: StudioPanel) -> float:
    """WAPE of the core in the backtest with all levers known, months 1 to 12."""
    oof = fit_core(panel, UNTUNED).out_of_fold
    actual, forecast = oof.actual["revenue"], oof.known.all_known["revenue"]
    known = np.isfinite(actual) & np.isfinite(forecast)
    assert known.sum() > 200
    return float(np.abs(actual - forecast)[known].sum() / actual[known].sum())


def test_with_all_levers_known_the_core_reproduces_revenue_without_some_parts() -> None:
    whole = known_lever_error(panel_without((), studios=8, months=36))
    for gone in (
        ("class_pack_revenue",),
        ("retail_revenue", "upsell_revenue", "other_revenue"),
        ("membership_revenue",),
        ("upsell_rate",),
        SPLIT,
    ):
        assert known_lever_error(panel_without(gone, studios=8, months=36)) < whole + 0.01, gone


def test_a_month_without_its_buyers_keeps_its_upsell_revenue() -> None:
    frame = pd.DataFrame({"studio_id": ["a"], "month_year": [np.datetime64("2024-01-01", "ns")]})
    frame = frame.assign(total_members=100.0, total_revenue=1200.0, upsell_revenue=200.0, upsell_rate=0.0)
    panel = panel_from_frame(frame)
    assert np.exp(flow_series(panel)["other_yield"].values)[0, 0] == pytest.approx(2.0)
