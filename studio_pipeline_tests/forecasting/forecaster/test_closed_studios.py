"""Months without revenue: they widen no other studio's interval; a closed studio is forecast at nothing."""

from functools import cache

import numpy as np
import pytest

from studio_pipeline.errors import ClosedStudioError
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.planning.insights.facts import studio_facts
from studio_pipeline.planning.insights.narrative import template_summary
from studio_pipeline_tests.forecasting.fleets import (
    SPLIT,
    answered,
    fit_all,
    generated_panel,
    with_values,
    without_columns,
    year_ahead,
)

STUDIOS, MONTHS = 9, 36
SHUT = slice(STUDIOS - 1, STUDIOS)


@cache
def forecaster_of(kind: str) -> Forecaster:
    panel = PANELS[kind](generated_panel(STUDIOS, MONTHS))
    return Forecaster(fit_all(panel, learners=()).model, panel)


def shut_in_summer(panel: StudioPanel) -> StudioPanel:
    """The last studio earns nothing in July and August, its members stay."""
    revenue = panel.values["total_revenue"].copy()
    revenue[SHUT, np.isin(panel.calendar_months, [6, 7])] = 0.0
    return _without_split(panel, revenue)


def closed_at_the_end(panel: StudioPanel) -> StudioPanel:
    """The last studio has neither revenue nor members in its last five months."""
    revenue, members = panel.values["total_revenue"].copy(), panel.values["total_members"].copy()
    revenue[SHUT, -5:] = members[SHUT, -5:] = 0.0
    return with_values(_without_split(panel, revenue), {"total_members": members})


def _without_split(panel: StudioPanel, revenue: FloatArray) -> StudioPanel:
    price = revenue / panel.values["total_members"]
    taken = with_values(panel, {"total_revenue": revenue, "avg_ticket_price": price})
    return without_columns(taken, SPLIT)


PANELS = {
    "control": lambda panel: _without_split(panel, panel.values["total_revenue"]).select(
        np.arange(STUDIOS - 1)
    ),
    "summer": shut_in_summer,
    "closed": closed_at_the_end,
}


def relative_bounds(forecaster: Forecaster) -> FloatArray:
    """(8, 12, 2) bounds over the forecast of the studios that are open all year."""
    answers = answered(forecaster, year_ahead(forecaster.panel))[: STUDIOS - 1]
    return np.array([a.intervals[0.9] / a.revenue[:, None] for a in answers])


@pytest.mark.parametrize("kind", ["summer", "closed"])
def test_others_keep_the_intervals_they_have_without_it(kind: str) -> None:
    usual, beside = relative_bounds(forecaster_of("control")), relative_bounds(forecaster_of(kind))
    assert (beside[..., 1] <= 1.25 * usual[..., 1]).all()
    assert (beside[..., 0] >= 0.8 * usual[..., 0]).all()


@pytest.mark.parametrize("kind", ["control", "summer", "closed"])
def test_every_interval_holds_its_mean(kind: str) -> None:
    forecaster = forecaster_of(kind)
    for answer in answered(forecaster, year_ahead(forecaster.panel)):
        bounds = answer.intervals[0.9]
        assert (bounds[:, 0] <= answer.revenue).all()
        assert (bounds[:, 1] >= answer.revenue).all()


def closed_name() -> str:
    return str(forecaster_of("closed").panel.studio_ids[-1])


@pytest.mark.parametrize("levers", [{}, {"avg_ticket_price": 120.0}])
def test_a_closed_studio_is_forecast_at_nothing_and_said_to_be(levers: dict[str, float]) -> None:
    forecaster = forecaster_of("closed")
    query = ForwardQuery(closed_name(), projection_months=12, levers=levers, compare_to_status_quo=True)
    (alone,) = answered(forecaster, [query])
    (_, among) = answered(forecaster, [ForwardQuery(str(forecaster.panel.studio_ids[0])), query])
    since = forecaster.panel.months[-5]
    for answer in (alone, among):
        np.testing.assert_array_equal(answer.revenue, 0.0)
        np.testing.assert_array_equal(answer.member_count, 0.0)
        np.testing.assert_array_equal(answer.intervals[0.9], 0.0)
        assert answer.total_intervals[0.9] == (0.0, 0.0)
        assert answer.warnings == (
            f"This studio has taken nothing since {since}: taken as closed, so every forecast is 0.",
        )
        assert answer.status_quo is not None
        assert answer.status_quo.difference == 0.0


def test_before_it_closed_a_studio_is_forecast_as_any_other() -> None:
    forecaster = forecaster_of("closed")
    (answer,) = answered(forecaster, [ForwardQuery(closed_name(), forecaster.panel.months[-6])])
    assert (answer.revenue > 0).all()
    assert not any("closed" in warning for warning in answer.warnings)


def test_a_closed_studio_has_no_plan() -> None:
    with pytest.raises(ClosedStudioError, match="nothing to plan"):
        forecaster_of("closed").origin(ForwardQuery(closed_name()))


def test_insights_about_a_closed_studio_say_so_and_recommend_nothing() -> None:
    insight = studio_facts(forecaster_of("closed"), ForwardQuery(closed_name()))
    assert insight.facts.revenue == 0.0
    assert insight.facts.drivers == ()
    assert insight.facts.recommendations == ()
    assert any("taken as closed" in warning for warning in insight.warnings)
    assert "is taken as closed" in template_summary(insight.facts, closed_name())
