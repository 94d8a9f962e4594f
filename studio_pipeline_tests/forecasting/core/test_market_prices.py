"""A price that grows with the market's is no change, and one that is held gets cheaper by the month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.core.flow_terms import OriginStock, flow_terms
from studio_pipeline.forecasting.core.parameters import NO_PLANNING, CoreParameters
from studio_pipeline.forecasting.core.simulation import CorePaths, simulate_terms
from studio_pipeline.forecasting.core.states import core_states, project_core
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import generated_panel, small_fleet, with_values

AHEAD = np.arange(1, 13)
SLOPES = {"retention": -0.8, "acquisition": -0.5}


def simulated(growth: float, base_month: int, levers: Mapping[str, FloatArray] | None = None) -> CorePaths:
    """A studio whose price of 100 at its origin grows with the market; the flows are without responses."""
    responses = Responses(
        {flow: {"price": LeverEffect(slope, 0.1)} for flow, slope in SLOPES.items()}, price_growth=growth
    )
    flows = {name: np.full((1, 12), np.nan) for name in FLOW_LINKS}
    # The flows hold what the price relative to the market at the origin explains.
    relative = np.log(100.0) - growth * base_month
    flows |= {
        "retention": np.full((1, 12), 2.5 - SLOPES["retention"] * relative),
        "acquisition": np.full((1, 12), 3.0 - SLOPES["acquisition"] * relative),
        "ticket": np.log(100.0) + growth * AHEAD[None],
        "realisation": np.zeros((1, 12)),
    }
    stock = OriginStock(np.array([200.0]), np.array([np.nan]), np.array([np.nan]), np.array([base_month]))
    return simulate_terms(flow_terms(flows, stock, responses, NO_PLANNING), levers or {})


@given(st.floats(-0.02, 0.02), st.integers(0, 900))
@settings(max_examples=50, deadline=None)
def test_growing_with_the_market_changes_neither_retention_nor_new_members(
    growth: float, base_month: int
) -> None:
    flat, grown = simulated(0.0, base_month), simulated(growth, base_month)
    np.testing.assert_allclose(grown.retention_rate, flat.retention_rate, rtol=1e-9)
    np.testing.assert_allclose(grown.new_members, flat.new_members, rtol=1e-9)
    np.testing.assert_allclose(grown.members, flat.members, rtol=1e-9)
    np.testing.assert_allclose(grown.avg_ticket_price[0], 100 * np.exp(growth * AHEAD))


def test_holding_the_price_wins_members_by_the_response_to_what_the_market_adds() -> None:
    growth, base_month = 0.004, 660
    held = {"avg_ticket_price": np.full((1, 12), 100.0)}
    free, cheap = simulated(growth, base_month), simulated(growth, base_month, held)
    odds = [np.log(p.retention_rate / (1 - p.retention_rate))[0] for p in (free, cheap)]
    np.testing.assert_allclose(odds[1] - odds[0], 0.8 * growth * AHEAD, rtol=1e-6)
    joined = [np.log(p.new_members[0] + 0.5) for p in (free, cheap)]
    np.testing.assert_allclose(joined[1] - joined[0], 0.5 * growth * AHEAD, rtol=1e-6)
    assert (np.diff(cheap.members[0] - free.members[0]) > 0).all()
    still = simulated(0.0, base_month, held)
    np.testing.assert_allclose(still.members, free.members, rtol=1e-9)


def with_growth(panel: StudioPanel, growth: float) -> StudioPanel:
    """Every studio's price times that of a market that has grown since 1970."""
    rise = np.exp(growth * panel.months.astype(np.int64))
    return with_values(panel, {"avg_ticket_price": panel.values["avg_ticket_price"] * rise})


def of_growth(growth: float) -> CoreParameters:
    """A fitted core whose members respond to the price, in a market of that growth."""
    parameters = small_fleet().core.parameters
    effects = {flow: {"price": LeverEffect(slope, 0.1)} for flow, slope in SLOPES.items()}
    return replace(parameters, responses=Responses(effects, price_growth=growth))


@pytest.mark.parametrize("growth", [0.003, -0.01])
def test_from_any_month_of_a_panel_growth_that_all_share_changes_no_projection_of_members(
    growth: float,
) -> None:
    panel = generated_panel()
    rows = np.repeat(np.arange(panel.n_studios), 3)
    origins = Origins(rows, np.tile([14, 27, panel.n_months - 1], panel.n_studios))
    grown = with_growth(panel, growth)
    flat_paths, grown_paths = (
        project_core(core_states(p, of_growth(g)), origins) for p, g in ((panel, 0.0), (grown, growth))
    )
    np.testing.assert_allclose(grown_paths.retention_rate, flat_paths.retention_rate, rtol=1e-9)
    np.testing.assert_allclose(grown_paths.new_members, flat_paths.new_members, rtol=1e-9)
    np.testing.assert_allclose(grown_paths.members, flat_paths.members, rtol=1e-9)
    months = panel.months.astype(np.int64)[origins.columns, None] + AHEAD
    np.testing.assert_allclose(
        grown_paths.avg_ticket_price, flat_paths.avg_ticket_price * np.exp(growth * months), rtol=1e-9
    )


def test_a_year_at_today_s_price_wins_members_where_the_market_s_prices_grow() -> None:
    growth = 0.005
    panel = with_growth(generated_panel(), growth)
    origins = Origins(np.arange(panel.n_studios), np.full(panel.n_studios, panel.n_months - 1))
    states = core_states(panel, of_growth(growth))
    free = project_core(states, origins)
    # The core's own price of this month, as its path has it in the next.
    today = free.avg_ticket_price[:, :1] * np.exp(-growth)
    rising = {"avg_ticket_price": today * np.exp(growth * AHEAD)}
    held = {"avg_ticket_price": np.repeat(today, 12, 1)}
    with_market, cheap = (project_core(states, origins, levers) for levers in (rising, held))
    gained = cheap.members / with_market.members - 1
    assert (gained > 0).all()
    assert (np.diff(gained, axis=1) > 0).all()
    # By about half of eight tenths of six percent of those who might have left, and the joiners' share.
    assert (gained[:, -1] < 0.1).all()
