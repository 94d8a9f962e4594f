"""Responses: planted slopes are recovered, and where nothing moved nothing is claimed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.flows import flow_series, sigmoid
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.estimation import estimate_responses
from studio_pipeline.forecasting.responses.regressors import (
    Comfort,
    ResponsePrior,
    ResponsePriors,
    crowding,
    overwork,
)
from studio_pipeline.forecasting.responses.responses import (
    OwnResponses,
    Responses,
    responses_from_json,
    responses_to_json,
)
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline_tests.forecasting.fleets import with_values, without_columns

SLOPES = {
    "retention": {"price": -0.9, "fullness": 0.5, "crowding": -3.0, "overwork": -4.0},
    "acquisition": {"price": -0.6, "crowding": -2.5, "overwork": 0.0},
}


def planted_panel(seed: int, n_studios: int = 120, n_months: int = 48, moves: bool = True) -> StudioPanel:
    """Studios whose retention and new members respond by `SLOPES`, and that differ otherwise too."""
    rng = np.random.default_rng(seed)
    shape = (n_studios, n_months)
    steps = np.where(rng.random(shape) < 0.06, rng.normal(0, 0.08, shape), 0.0).cumsum(1) if moves else 0.0
    price = 120 * np.exp(rng.normal(0, 0.3, (n_studios, 1)) + steps)
    attendance = np.clip(rng.normal(0.72, 0.12, shape), 0.2, 1.0)
    staff = np.clip(rng.normal(0.83, 0.07, shape), 0.5, 1.0)
    before = np.column_stack([attendance[:, :1], attendance[:, :-1]])
    regressors = {
        "price": np.log(price),
        "fullness": before,
        "crowding": crowding(before),
        "overwork": overwork(staff),
    }
    calendar = np.arange(n_months) % 12
    latent = {
        flow: sum(slope * regressors[name] for name, slope in slopes.items())
        + rng.normal(0, 0.2, (n_studios, 1))
        + rng.normal(0, 0.1, (n_studios, 12))[:, calendar]
        + rng.normal(0, 0.1, n_months)
        + rng.normal(0, 0.05, shape)
        for flow, slopes in SLOPES.items()
    }
    latent["retention"] += 2.6 + 0.9 * np.log(120)
    latent["acquisition"] += 3.0 + 0.6 * np.log(120)
    members, new, churned = (np.zeros(shape) for _ in range(3))
    stock = np.full(n_studios, 250.0)
    for t in range(n_months):
        lost = rng.binomial(stock.astype(int), 1 - sigmoid(latent["retention"][:, t]))
        new[:, t] = rng.poisson(np.exp(latent["acquisition"][:, t]))
        churned[:, t] = lost
        stock = stock - lost + new[:, t]
        members[:, t] = stock
    previous = members - new + churned
    values = {name: np.full(shape, np.nan) for name in NUMERIC_COLUMNS}
    values |= {
        "total_members": members,
        "new_members": new,
        "churned_members": churned,
        "retention_rate": 1 - churned / previous,
        "avg_ticket_price": np.broadcast_to(price, shape).copy(),
        "class_attendance_rate": attendance,
        "staff_utilization_rate": staff,
        "total_revenue": members * price,
    }
    ids = np.array([f"s{i:04d}" for i in range(n_studios)])
    return StudioPanel(ids, np.full(n_studios, "Yoga"), np.datetime64("2020-01", "M"), values)


PRIORS = ResponsePriors.of(CoreHyperparameters())


def estimated(panel: StudioPanel, priors: ResponsePriors = PRIORS) -> Mapping[str, Mapping[str, LeverEffect]]:
    types = np.zeros(panel.n_studios, dtype=np.int64)
    return estimate_responses(panel, flow_series(panel), types, priors).effects


def test_planted_slopes_are_recovered_within_two_standard_errors() -> None:
    found = [estimated(planted_panel(seed)) for seed in range(6)]
    for flow, name in (("retention", "price"), ("retention", "overwork"), ("acquisition", "price")):
        within, planted = [], SLOPES[flow][name]
        for effect in (effects[flow][name] for effects in found):
            assert effect.source == "data"
            assert effect.standard_error < 0.5 * abs(planted)
            assert effect.estimate is not None
            within.append(abs(effect.estimate - planted) <= 2 * effect.standard_error)
        assert sum(within) >= 5, (flow, name)


def share_within_two_standard_errors(seeds: Iterable[int]) -> float:
    """Of all planted slopes but those of zero, whether or not they are significant."""
    within = [
        abs((effects[flow][name].estimate or 0.0) - slope) <= 2 * effects[flow][name].standard_error
        for effects in (estimated(planted_panel(seed)) for seed in seeds)
        for flow, slopes in SLOPES.items()
        for name, slope in slopes.items()
        if slope != 0
    ]
    return float(np.mean(within))


def test_a_price_that_never_moved_rests_on_the_prior() -> None:
    effects = estimated(planted_panel(1, moves=False))
    for flow in SLOPES:
        assert effects[flow]["price"] == LeverEffect("prior", -0.8, 0.6)
    assert effects["retention"]["overwork"].source == "data"


def test_a_price_that_would_win_members_is_not_believed() -> None:
    panel = planted_panel(2)
    retention = panel.values["retention_rate"]
    price = np.log(panel.values["avg_ticket_price"] / 120)
    odds = np.log(np.clip(retention, 0.01, 0.99) / (1 - np.clip(retention, 0.01, 0.99)))
    before = panel.values["total_members"] - panel.values["new_members"] + panel.values["churned_members"]
    better = sigmoid(odds + 3 * price)
    turned = with_values(panel, {"retention_rate": better, "churned_members": before * (1 - better)})
    effect = estimated(turned)["retention"]["price"]
    assert effect.effect == 0.0
    assert effect.estimate is not None
    assert effect.estimate == pytest.approx(2.1, abs=0.5)
    assert effect.estimate > 5 * effect.standard_error


def test_few_months_and_missing_columns_rest_on_the_prior() -> None:
    panel = planted_panel(3, n_studios=60)
    few = panel.select(np.array([0, 1])).until(8)
    assert all(e.source == "prior" for effects in estimated(few).values() for e in effects.values())
    assert estimated(few)["acquisition"]["price"] == LeverEffect("prior", -0.8, 0.6)
    # Without joiners members are not followed: nothing responds, which is said of every lever.
    for effects in estimated(without_columns(panel, ["new_members"])).values():
        assert {(e.source, e.effect) for e in effects.values()} == {("prior", 0.0)}
        assert effects["price"].standard_error == pytest.approx(1.0)
    without_price = estimated(without_columns(panel, ["avg_ticket_price"]))
    assert "price" not in without_price["retention"]
    assert without_price["retention"]["overwork"].source == "data"


def test_a_weak_prior_pulls_an_estimate_to_zero_by_its_error() -> None:
    panel = planted_panel(4, n_studios=40)
    for scale in (1.0, 100.0):
        priors = replace(PRIORS, others=ResponsePrior(0.0, scale))
        effect = estimated(panel, priors)["retention"]["overwork"]
        assert effect.source == "data"
        assert effect.estimate is not None
        # The posterior's variance over the prior's is what the prior keeps of the mean.
        share = 1 - effect.standard_error**2 / scale**2
        assert effect.effect == pytest.approx(share * effect.estimate)


def test_slopes_do_not_know_the_currency() -> None:
    panel = planted_panel(5, n_studios=40)
    money = {name: 2 * panel.values[name] for name in ("avg_ticket_price", "total_revenue")}
    usual, doubled = estimated(panel), estimated(with_values(panel, money))
    for flow, effects in usual.items():
        for name, effect in effects.items():
            assert doubled[flow][name].effect == pytest.approx(effect.effect, rel=1e-6, abs=1e-9)


def test_neither_names_nor_their_order_count() -> None:
    panel = planted_panel(6, n_studios=30, n_months=30)
    order = np.random.default_rng(0).permutation(panel.n_studios)
    renamed = replace(panel.select(order), studio_ids=np.array([f"z{i:04d}" for i in range(len(order))]))
    usual, other = estimated(panel), estimated(renamed)
    for flow, effects in usual.items():
        for name, effect in effects.items():
            assert other[flow][name].source == effect.source
            assert other[flow][name].effect == pytest.approx(effect.effect, rel=1e-9, abs=1e-12)


def test_visits_respond_to_classes_and_unknown_classes_to_nothing() -> None:
    panel = planted_panel(7, n_studios=60)
    rng = np.random.default_rng(7)
    shape = panel.values["total_members"].shape
    classes = 100 * np.exp(np.where(rng.random(shape) < 0.1, rng.normal(0, 0.1, shape), 0.0).cumsum(1))
    before = np.column_stack([panel.values["total_members"][:, :1], panel.values["total_members"][:, :-1]])
    visits = 8 * (classes / before) ** 0.4 * np.exp(rng.normal(0, 0.03, shape))
    full = with_values(panel, {"total_classes_held": classes, "total_class_attendance": visits * before})
    effect = estimated(full)["visits"]["classes"]
    assert effect.source == "data"
    assert effect.effect == pytest.approx(0.4, abs=2.5 * effect.standard_error)
    assert "visits" not in estimated(without_columns(full, ["total_classes_held"]))


def test_contributions_by_hand() -> None:
    slopes = {name: LeverEffect("data", slope, 0.1) for name, slope in SLOPES["retention"].items()}
    responses = Responses({"retention": slopes}, Comfort(0.7, 0.9))
    price, attendance, staff = np.log([100.0, 100.0]), np.array([0.9, np.nan]), np.array([0.95, np.nan])
    found = responses.contribution("retention", price, attendance, staff)
    full = -0.9 * np.log(100) + 0.5 * 0.9 - 3.0 * 0.2 - 4.0 * 0.05
    typical = -0.9 * np.log(100) + 0.5 * 0.65
    np.testing.assert_allclose(found, [full, typical])
    np.testing.assert_array_equal(responses.contribution("acquisition", price, attendance, staff), 0.0)
    same = replace(responses, comfort=Comfort(0.7, 0.9, same_month=True))
    now = same.contribution("retention", price, attendance, staff, np.array([0.8, np.nan]))
    np.testing.assert_allclose(now, [full + 3.0 * 0.1, typical])


def test_visits_by_hand() -> None:
    effects = {"visits": {"classes": LeverEffect("data", 0.3, 0.05)}}
    responses = Responses(effects, typical_classes=-1.0)
    found = responses.visits_contribution(np.array([100.0, np.nan]), np.array([200.0, 200.0]))
    np.testing.assert_allclose(found, [0.3 * np.log(0.5), -0.3])


def test_a_studio_s_own_slope_and_what_it_rests_on() -> None:
    effects = {
        "retention": {"price": LeverEffect("data", -1.0, 0.1), "overwork": LeverEffect("prior", 0.0, 2.0)}
    }
    own = {"retention": {"price": OwnResponses(("a", "c"), (-1.5, -0.5), (0.2, 0.3))}}
    rows = Responses(effects, own=own).rows(["c", "new", "a"])
    np.testing.assert_array_equal(rows.slope("retention", "price"), [-0.5, -1.0, -1.5])
    np.testing.assert_array_equal(rows.slope("acquisition", "price"), 0.0)
    assert rows.effect("retention", "price", 0) == LeverEffect("data", -0.5, 0.3)
    assert rows.effect("retention", "price", 1) == LeverEffect("pooled", -1.0, 0.1)
    assert rows.effect("retention", "overwork", 0) == effects["retention"]["overwork"]
    assert rows.effect("retention", "crowding", 0) is None
    price = np.log([[100.0, 110.0]] * 3)
    nothing = np.full((3, 2), np.nan)
    added = rows.contribution("retention", price, nothing, nothing)
    np.testing.assert_allclose(added[:, 1] - added[:, 0], np.log(1.1) * np.array([-0.5, -1.0, -1.5]))
    np.testing.assert_array_equal(rows.take(np.array([2])).slope("retention", "price"), [-1.5])


def test_json_keeps_every_studio() -> None:
    own = {"retention": {"price": OwnResponses(("a", "c"), (-1.5, -0.5), (0.2, 0.3))}}
    effects = {"retention": {"price": LeverEffect("data", -1.0, 0.1, -1.01)}}
    responses = Responses(effects, Comfort(0.7, 0.9, same_month=True), own, -0.8)
    assert responses_from_json(json.loads(json.dumps(responses_to_json(responses)))) == responses
