"""An answer does not know the currency."""

import re

import numpy as np

from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.core.fitting import fit_core_parameters
from studio_pipeline.forecasting.core.states import core_states, project_core
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import (
    ALL_EIGHT,
    CONFIGURATION,
    Fitted,
    answered,
    assert_same,
    fit_all,
    generated_panel,
    in_currency,
    with_values,
)


def queries(factor: float, base: StudioPanel) -> list[ForwardQuery]:
    """Free and given forecasts, a plan, and a new studio, all in a currency worth 1/`factor`."""
    free = [ForwardQuery(str(name), projection_months=12) for name in base.studio_ids]
    priced = {"avg_ticket_price": 130.0 * factor}
    step = LeverStep(4, {"avg_ticket_price": 140.0 * factor, "upsell_rate": 0.2})
    given = [
        ForwardQuery(name, projection_months=6, levers=priced, lever_plan=(step,), compare_to_status_quo=True)
        for name in (str(base.studio_ids[0]), str(base.studio_ids[7]))
    ]
    return [*free, *given, ForwardQuery("new", projection_months=12, levers=ALL_EIGHT | priced)]


def in_words(warning: str) -> str:
    """A warning without its figures, which may be money."""
    return re.sub(r"[\d.]+", "#", warning)


def without_some_prices(panel: StudioPanel) -> StudioPanel:
    """A tenth of the prices unknown, and all of one studio's."""
    price = panel.values["avg_ticket_price"].copy()
    price[np.random.default_rng(3).random(price.shape) < 0.1] = np.nan
    price[2] = np.nan
    return with_values(panel, {"avg_ticket_price": price})


def test_unknown_prices_are_no_price_of_one_in_any_currency() -> None:
    factor = 2.0
    panel = without_some_prices(generated_panel(12, 40))
    usual, doubled = (
        core_states(p, fit_core_parameters(p, CONFIGURATION.core))
        for p in (panel, in_currency(panel, factor))
    )
    origins = Origins(np.arange(panel.n_studios), panel.last_months)
    a, b = (project_core(states, origins) for states in (usual, doubled))
    np.testing.assert_allclose(b.members, a.members, rtol=1e-6)
    np.testing.assert_allclose(b.revenue, factor * a.revenue, rtol=1e-6)
    assert np.isfinite(a.revenue).all()


def test_with_a_refit_a_doubled_currency_doubles_money_and_nothing_else(fleet: Fitted) -> None:
    """To the last bit in what the trees have learned, and to a few in what adds up."""
    factor = 2.0
    other = fit_all(in_currency(fleet.panel, factor))
    learned, again = fleet.model_of_all.graphs, other.model_of_all.graphs
    assert learned is not None
    assert again is not None
    assert again.content == learned.content
    for sizes, before in zip(again.sizes, learned.sizes, strict=True):
        np.testing.assert_allclose(sizes.by_horizon, before.by_horizon, rtol=1e-9)
        np.testing.assert_allclose(sizes.variances, before.variances, rtol=1e-6, atol=1e-9)
    for target in fleet.model.weights:
        np.testing.assert_allclose(other.model.weights[target], fleet.model.weights[target], atol=1e-5)
    asked, asked_doubled = queries(1.0, fleet.panel), queries(factor, fleet.panel)
    usual = answered(Forecaster(fleet.model_of_all, fleet.panel), asked)
    doubled = answered(Forecaster(other.model_of_all, other.panel), asked_doubled)
    assert any(a.warnings for a in usual)
    assert any(a.status_quo for a in usual)
    for a, b in zip(usual, doubled, strict=True):
        assert_same(a, b, factor, 1e-6)
        assert [in_words(w) for w in b.warnings] == [in_words(w) for w in a.warnings]
        np.testing.assert_allclose(b.revenue, factor * a.revenue, rtol=1e-12)
        np.testing.assert_allclose(b.member_count, a.member_count, rtol=1e-12)
