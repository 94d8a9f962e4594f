"""Flows: what each is made of, and that a month without it is simply unknown."""

import numpy as np
import pytest

from studio_pipeline.forecasting.base.flows import FLOW_LINKS, flow_series, logit, sigmoid
from studio_pipeline_tests.forecasting.fleets import generated_panel, ragged, with_values


def test_every_flow_is_finite_where_known_and_its_variance_everywhere() -> None:
    for panel in (generated_panel(), ragged(generated_panel())):
        series = flow_series(panel)
        assert set(series) == set(FLOW_LINKS)
        for name, flow in series.items():
            assert np.isfinite(flow.counting_variance).all(), name
            assert (flow.counting_variance >= 0).all(), name
            assert not np.isinf(flow.values).any(), name


@pytest.mark.parametrize("name", ["ticket", "revenue", "members", "classes"])
def test_an_amount_is_its_logarithm(name: str) -> None:
    column = {"ticket": "avg_ticket_price", "revenue": "total_revenue", "members": "total_members"}
    panel = generated_panel()
    expected = np.log(panel.values[column.get(name, "total_classes_held")])
    np.testing.assert_allclose(flow_series(panel)[name].values, expected)


def test_a_closed_month_is_low_and_not_minus_infinity() -> None:
    panel = generated_panel()
    closed = panel.values["total_revenue"].copy()
    closed[0, 10] = 0.0
    closed[1, :] = 0.0
    flow = flow_series(with_values(panel, {"total_revenue": closed}))["revenue"].values
    assert flow[0, 10] == pytest.approx(np.log(0.1 * closed[0, :11].mean()))
    assert np.isnan(flow[1]).all()


def test_logit_and_sigmoid_are_inverse_inside_their_margin() -> None:
    rates = np.linspace(0.002, 0.998, 50)
    np.testing.assert_allclose(sigmoid(logit(rates)), rates)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
