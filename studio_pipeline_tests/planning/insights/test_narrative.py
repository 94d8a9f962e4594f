"""Facts of a studio, and texts: every number in them is a figure of the facts."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.errors import UnknownStudioError
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.planning.insights.facts import Facts, studio_facts
from studio_pipeline.planning.insights.narrative import figures, recommendation_text, template_summary
from studio_pipeline_tests.forecasting.fleets import answered


def without_figures(text: str, facts: Facts, studio_id: str) -> str:
    """A text without the studio's name and the figures of the facts."""
    steps = [None, *facts.recommendations]
    known = {figure for step in steps for figure in figures(facts, step).values()}
    for figure in (f"Studio {studio_id} ", *sorted(known, key=len, reverse=True)):
        text = text.replace(figure, "")
    return text


def facts_of(forecaster: Forecaster, query: ForwardQuery) -> Facts:
    return studio_facts(forecaster, query).facts


@given(
    row=st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]),
    ago=st.integers(0, 3),
    months=st.integers(1, 12),
    levers=st.fixed_dictionaries(
        {}, optional={"avg_ticket_price": st.floats(100, 170), "upsell_rate": st.floats(0.1, 0.3)}
    ),
    level=st.sampled_from([0.5, 0.9, 0.95, 0.995]),
)
@settings(max_examples=40, deadline=None)
def test_every_number_of_the_templates_is_a_fact(forecaster, row, ago, months, levers, level) -> None:
    panel = forecaster.panel
    name = str(panel.studio_ids[row])
    month = panel.months[panel.last_months[row] - ago]
    levers = {} if row == 5 else levers
    facts = facts_of(forecaster, ForwardQuery(name, month, months, levers, interval_levels=(level,)))
    texts = [template_summary(facts, name), *(recommendation_text(s, facts) for s in facts.recommendations)]
    for text in texts:
        rest = without_figures(text, facts, name)
        assert not any(sign.isnumeric() or sign in "{}" for sign in rest), text


def test_a_studio_of_revenue_alone_has_facts_and_a_text(forecaster: Forecaster) -> None:
    name = str(forecaster.panel.studio_ids[6])
    facts = facts_of(forecaster, ForwardQuery(name))
    assert facts.recommendations == ()
    assert (facts.members_then, facts.members, facts.joined) == (None, None, None)
    text = template_summary(facts, name)
    assert "nothing stands out" in text


def test_facts_are_the_forecast_s_and_its_levers(forecaster: Forecaster) -> None:
    name = str(forecaster.panel.studio_ids[8])
    plan = (LeverStep(3, {"upsell_rate": 0.25}),)
    query = ForwardQuery(name, None, 6, {"avg_ticket_price": 140.0}, plan, compare_to_status_quo=True)
    (answer,) = answered(forecaster, [query])
    insight = studio_facts(forecaster, replace(query, compare_to_status_quo=False))
    facts = insight.facts
    assert (facts.revenue, facts.total_revenue) == (answer.revenue[-1], answer.total_revenue)
    assert facts.gain_of_levers == answer.status_quo.difference
    assert facts.gain_interval == answer.status_quo.difference_interval
    assert facts.interval == tuple(answer.intervals[0.9][-1])
    assert [(lever.lever, lever.from_month) for lever in facts.levers] == [
        ("avg_ticket_price", 1),
        ("upsell_rate", 3),
    ]
    assert insight.warnings[: len(answer.warnings)] == answer.warnings
    assert sum(driver.amount for driver in facts.drivers) == pytest.approx(facts.change)
    assert "upsell_rate" not in [step.lever for step in facts.recommendations]
    proposed = {step.lever: step.current for step in facts.recommendations}
    assert proposed.get("avg_ticket_price", 140.0) == 140.0
    text = template_summary(facts, name)
    assert "levers of this scenario" in text


def test_a_recommended_step_gains_what_two_forecasts_differ_by(forecaster: Forecaster) -> None:
    name = str(forecaster.panel.studio_ids[8])
    facts = facts_of(forecaster, ForwardQuery(name, None, 6))
    assert len(facts.recommendations) >= 3
    gains = [step.gain for step in facts.recommendations]
    assert gains == sorted(gains, reverse=True)
    for step in facts.recommendations:
        queries = [ForwardQuery(name, None, 6, {step.lever: v}) for v in (step.current, step.proposed)]
        held, stepped = answered(forecaster, queries)
        assert step.gain == pytest.approx(stepped.total_revenue - held.total_revenue)
        assert step.clears_zero == (step.gain_interval[0] > 0)
        low, high = step.gain_interval
        assert low <= step.gain <= high
        assert 0 <= step.chance_of_gain <= 1


def test_a_studio_without_history_has_nothing_to_explain(forecaster: Forecaster) -> None:
    with pytest.raises(UnknownStudioError, match="nobody"):
        studio_facts(forecaster, ForwardQuery("nobody"))
