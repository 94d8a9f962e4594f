"""One studio alone: its months can't tell what a price does, so answers rest on the prior and say how unsure
they are.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from studio_pipeline.forecasting.base.hyperparameters import ResponseHyperparameters
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.responses.priors import prior_effect
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.planning.insights.facts import studio_facts
from studio_pipeline.planning.inverse import planner as inverse
from studio_pipeline.planning.inverse.planner import make_plan
from studio_pipeline.planning.inverse.queries import PlanQuery
from studio_pipeline.planning.inverse.setup import present_levers
from studio_pipeline.planning.inverse.verification import CHANCE_LEVELS, chance_of, plan_deviation
from studio_pipeline_tests.forecasting.fleets import answered, fit_all, generated_panel, only_columns
from studio_pipeline_tests.planning.fixtures import DEFAULTS, setup_of

PRIOR = prior_effect(ResponseHyperparameters(), "retention", "price")
SEEDS = (42, 7, 11)


@cache
def forecaster_of(seed: int) -> Forecaster:
    options = GeneratorConfig(studios=1, months=60, seed=seed, types=("Yoga",))
    panel = panel_from_frame(generate_months(options))
    return Forecaster(fit_all(panel, learners=()).model, panel)


def asked(seed: int, factor: float, months: int = 12) -> Forecast:
    """The answer under the last price times a factor."""
    forecaster = forecaster_of(seed)
    price = float(forecaster.panel.values["avg_ticket_price"][0, -1])
    name, levers = str(forecaster.panel.studio_ids[0]), {"avg_ticket_price": factor * price}
    return answered(forecaster, [ForwardQuery(name, None, months, levers, compare_to_status_quo=True)])[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_price_loses_members_and_the_answer_names_the_prior(seed: int) -> None:
    usual, higher = asked(seed, 1.0), asked(seed, 1.1)
    assert higher.member_count[-1] < 0.98 * usual.member_count[-1]
    assert higher.lever_effects["avg_ticket_price"] == PRIOR
    assert any("an assumption stands in" in warning for warning in higher.warnings)


@pytest.mark.parametrize("months", [3, 12])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_price_twice_as_high_may_gain_or_lose(seed: int, months: int) -> None:
    status_quo = asked(seed, 2.0, months).status_quo
    low, high = status_quo.difference_interval
    assert low < 0 < high
    # Revenue that only follows the price would be twice as high.
    assert status_quo.difference < 0.7 * status_quo.total_projected_revenue


@pytest.mark.parametrize("seed", SEEDS)
def test_what_does_not_clear_zero_is_not_recommended(seed: int) -> None:
    forecaster = forecaster_of(seed)
    query = ForwardQuery(str(forecaster.panel.studio_ids[0]), projection_months=12)
    for step in studio_facts(forecaster, query).facts.recommendations:
        assert step.gain_interval[0] > 0
        assert step.chance_of_gain > 0.95
        assert step.lever != "avg_ticket_price"


def test_a_plan_that_raises_the_price_is_less_sure_than_its_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    forecaster = forecaster_of(42)
    name = str(forecaster.panel.studio_ids[0])
    present = present_levers(forecaster.origin(ForwardQuery(name)), forecaster.panel, name, {})
    frozen = frozenset(present) - {"avg_ticket_price", "current_member_count"}
    query = PlanQuery(name, 1.0, target_months=6, frozen_levers=frozen, limits={"max_ticket_increase": None})
    setup = setup_of(query, forecaster)
    now = float(setup.revenue(setup.problem.present[:, None])[0])
    plan = setup.problem.present.copy()
    plan[1] *= 1.2
    (forecast,) = answered(
        forecaster, [ForwardQuery(name, None, 6, setup.levers(plan), interval_levels=CHANCE_LEVELS)]
    )
    deviation = plan_deviation(setup, plan, forecast)
    # By hand, to first order: what six months of members who come or go less or more add up to.
    stays = float(np.mean(forecast.retention_rate))
    kept = sum(stays**k for k in range(6))
    of_month = PRIOR.standard_error * np.log(1.2) * np.hypot(stays * (1 - stays), 1 - stays)
    by_hand = float(forecast.revenue[-1]) * kept * of_month
    assert deviation == pytest.approx(by_hand, rel=0.01)
    sure, unsure = (chance_of(forecast, now, "month", by) for by in (0.0, deviation))
    assert 0.5 < unsure < sure
    assert plan_deviation(setup, setup.problem.present, forecast) == 0.0
    lifted = replace(query, target_revenue=1.05 * now)
    made = make_plan(forecaster, lifted, DEFAULTS)
    assert made.recommended_levers["avg_ticket_price"] > setup.present["avg_ticket_price"]
    monkeypatch.setattr(inverse, "plan_deviation", lambda *_: 0.0)
    sure_of_response = make_plan(forecaster, lifted, DEFAULTS).confidence_score
    assert abs(sure_of_response - 0.5) > abs(made.confidence_score - 0.5)


@cache
def without_churn() -> Forecaster:
    """A fleet in which the last studio reports members and revenue alone."""
    panel = only_columns(generated_panel(8, 36, 5), ("total_revenue", "total_members", "avg_ticket_price"), 7)
    return Forecaster(fit_all(panel, learners=()).model, panel)


def test_a_studio_without_flows_claims_no_response_and_is_as_unsure() -> None:
    forecaster = without_churn()
    price = float(forecaster.panel.values["avg_ticket_price"][7, -1])
    name, levers = str(forecaster.panel.studio_ids[7]), {"avg_ticket_price": 2 * price}
    (answer,) = answered(forecaster, [ForwardQuery(name, None, 12, levers, compare_to_status_quo=True)])
    effect = answer.lever_effects["avg_ticket_price"]
    pool = forecaster.model.core.responses.effects["retention"]["price"]
    assert (effect.source, effect.effect) == ("prior", 0.0)
    assert effect.standard_error == pytest.approx(np.hypot(pool.effect, pool.standard_error), rel=1e-3)
    assert any("taken as not to change their number" in warning for warning in answer.warnings)
    low, high = answer.status_quo.difference_interval
    assert low < 0 < high
