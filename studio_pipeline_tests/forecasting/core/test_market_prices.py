"""A price that grows with the market's is no change, and one that is held gets cheaper by the month."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.forecasting.core.simulation import CorePaths, simulate_terms
from studio_pipeline.forecasting.core.states import core_states, project_core
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import generated_panel, small_fleet, with_values
from studio_pipeline_tests.forecasting.hand_made_flows import one_studio

AHEAD = np.arange(1, 13)
SLOPES = {"retention": -0.8, "acquisition": -0.5}


def simulated(growth: float, base_month: int, levers: Mapping[str, FloatArray] | None = None) -> CorePaths:
    """A studio whose price of 100 at its origin grows with the market; the flows are without responses."""
    responses = Responses(
        {flow: {"price": LeverEffect(slope, 0.1)} for flow, slope in SLOPES.items()}, price_growth=growth
    )
    # The flows hold what the price relative to the market at the origin explains.
    relative = np.log(100.0) - growth * base_month
    flows = {
        "retention": 2.5 - SLOPES["retention"] * relative,
        "acquisition": 3.0 - SLOPES["acquisition"] * relative,
        "ticket": np.log(100.0) + growth * AHEAD,
        "realisation": 0.0,
    }
    return simulate_terms(one_studio(flows, responses, base_month=base_month), levers or {})


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
