"""Responses: planted slopes are recovered, and where nothing moved nothing is claimed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from studio_pipeline.forecasting.base.flows import flow_series, sigmoid
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters, ResponseHyperparameters
from studio_pipeline.forecasting.base.queries import LeverEffect
from studio_pipeline.forecasting.responses.estimation import estimate_responses
from studio_pipeline.forecasting.responses.priors import BURDENS, prior_effect
from studio_pipeline.forecasting.responses.regressors import Comfort, burden
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


def planted_panel(seed: int, n_studios: int = 120, n_months: int = 48) -> StudioPanel:
    """Studios whose retention and new members respond by `SLOPES`, and that differ otherwise too."""
    rng = np.random.default_rng(seed)
    shape = (n_studios, n_months)
    steps = np.where(rng.random(shape) < 0.06, rng.normal(0, 0.08, shape), 0.0).cumsum(1)
    price = 120 * np.exp(rng.normal(0, 0.3, (n_studios, 1)) + steps)
    attendance = np.clip(rng.normal(0.72, 0.12, shape), 0.2, 1.0)
    staff = np.clip(rng.normal(0.83, 0.07, shape), 0.5, 1.0)
    before = np.column_stack([attendance[:, :1], attendance[:, :-1]])
    regressors = {
        "price": np.log(price),
        "fullness": before,
        "crowding": burden(before, Comfort.attendance_rate),
        "overwork": burden(staff, Comfort.utilization),
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
        "avg_ticket_price": price,
        "class_attendance_rate": attendance,
        "staff_utilization_rate": staff,
        "total_revenue": members * price,
    }
    ids = np.array([f"s{i:04d}" for i in range(n_studios)])
    return StudioPanel(ids, np.full(n_studios, "Yoga"), np.datetime64("2020-01", "M"), values)


PRIORS = CoreHyperparameters().responses


def estimated(
    panel: StudioPanel, priors: ResponseHyperparameters = PRIORS
) -> Mapping[str, Mapping[str, LeverEffect]]:
    types = np.zeros(panel.n_studios, dtype=np.int64)
    return estimate_responses(panel, flow_series(panel), types, priors).effects


@cache
def estimated_of(seed: int) -> Mapping[str, Mapping[str, LeverEffect]]:
    return estimated(planted_panel(seed))


@pytest.mark.parametrize(
    ("seeds", "share"), [(range(6), 0.8), pytest.param(range(100, 140), 0.9, marks=pytest.mark.campaign)]
)
def test_planted_slopes_are_within_two_standard_errors(seeds: Iterable[int], share: float) -> None:
    """All but those of zero, which no posterior that is cut off at zero has as its mean."""
    within = [
        abs(effects[flow][name].effect - slope) <= 2 * effects[flow][name].standard_error
        for effects in map(estimated_of, seeds)
        for flow, slopes in SLOPES.items()
        for name, slope in slopes.items()
        if slope != 0
    ]
    assert np.mean(within) >= share


def test_what_is_planted_is_certain_and_what_does_nothing_is_nothing() -> None:
    for effects in map(estimated_of, range(6)):
        for flow, name in (("retention", "price"), ("retention", "overwork"), ("acquisition", "price")):
            assert effects[flow][name].source == "pooled"
            assert effects[flow][name].standard_error < 0.5 * abs(SLOPES[flow][name])
        nothing = effects["acquisition"]["overwork"]
        assert -3 * nothing.standard_error <= nothing.effect <= 0
        assert nothing.standard_error < 0.3 * PRIORS.joining.standard_deviation


def test_a_studio_alone_has_the_priors() -> None:
    """Whatever it did, its market may have done as well."""
    alone = planted_panel(1, n_months=90).select(np.array([0]))
    for flow, effects in estimated(alone).items():
        for name, effect in effects.items():
            expected = prior_effect(PRIORS, flow, name)
            assert effect.effect == pytest.approx(expected.effect, rel=1e-6), (flow, name)
            assert effect.standard_error == pytest.approx(expected.standard_error, rel=1e-6), (flow, name)
            assert effect.prior_share == pytest.approx(1.0)


def test_a_price_that_would_win_members_is_not_believed() -> None:
    panel = planted_panel(2)
    retention = panel.values["retention_rate"]
    price = np.log(panel.values["avg_ticket_price"] / 120)
    odds = np.log(np.clip(retention, 0.01, 0.99) / (1 - np.clip(retention, 0.01, 0.99)))
    before = panel.values["total_members"] - panel.values["new_members"] + panel.values["churned_members"]
    better = sigmoid(odds + 3 * price)
    turned = with_values(panel, {"retention_rate": better, "churned_members": before * (1 - better)})
    effect = estimated(turned)["retention"]["price"]
    assert effect.estimate is not None
    assert effect.estimate == pytest.approx(2.1, abs=0.5)
    assert -0.05 < effect.effect < 0
    assert effect.standard_error < 0.05


def test_no_effect_has_the_wrong_sign_however_few_the_studios() -> None:
    for seed in range(4):
        for effects in estimated(planted_panel(seed, n_studios=4)).values():
            for name, effect in effects.items():
                assert effect.effect < 0 if name in BURDENS else effect.effect > 0
                assert np.isfinite(effect.standard_error)


def test_few_months_and_missing_columns_rest_on_the_prior() -> None:
    panel = planted_panel(3, n_studios=60)
    few = panel.select(np.array([0, 1])).until(8)
    for flow, effects in estimated(few).items():
        assert effects == {name: prior_effect(PRIORS, flow, name) for name in effects}
    # Without joiners members are not followed: nothing responds, which is said of every lever.
    missing = estimated(without_columns(panel, ["new_members"]))
    for flow in SLOPES:
        assert {(e.source, e.effect) for e in missing[flow].values()} == {("prior", 0.0)}
        expected = prior_effect(PRIORS, flow, "price")
        size = np.hypot(expected.effect, expected.standard_error)
        assert missing[flow]["price"].standard_error == pytest.approx(size)
    without_price = estimated(without_columns(panel, ["avg_ticket_price"]))
    assert "price" not in without_price["retention"]
    assert without_price["retention"]["overwork"].source == "pooled"


def test_a_tight_prior_pulls_further_than_a_wide_one() -> None:
    panel = planted_panel(4, n_studios=40)
    found = []
    for deviation in (100.0, 1.0, 0.1, 1e-3):
        changed = PRIORS.overwork.model_copy(update={"standard_deviation": deviation})
        priors = PRIORS.model_copy(update={"overwork": changed})
        found.append(estimated(panel, priors)["retention"]["overwork"])
    assert found[0].effect == pytest.approx(found[0].estimate, rel=1e-2)
    assert found[-1].effect == pytest.approx(PRIORS.overwork.mean, abs=0.01)
    assert found[-1].standard_error < 0.01 < found[0].standard_error
    for wide, tight in pairwise(found):
        assert wide.effect < tight.effect
        assert wide.prior_share < tight.prior_share


def test_visits_respond_to_classes_and_unknown_classes_to_nothing() -> None:
    panel = planted_panel(7, n_studios=60)
    rng = np.random.default_rng(7)
    shape = panel.values["total_members"].shape
    classes = 100 * np.exp(np.where(rng.random(shape) < 0.1, rng.normal(0, 0.1, shape), 0.0).cumsum(1))
    before = np.column_stack([panel.values["total_members"][:, :1], panel.values["total_members"][:, :-1]])
    visits = 8 * (classes / before) ** 0.4 * np.exp(rng.normal(0, 0.03, shape))
    full = with_values(panel, {"total_classes_held": classes, "total_class_attendance": visits * before})
    effect = estimated(full)["visits"]["classes"]
    assert effect.source == "pooled"
    assert effect.effect == pytest.approx(0.4, abs=2.5 * effect.standard_error)
    assert not estimated(without_columns(full, ["total_classes_held"]))["visits"]


def test_work_responds_to_classes_and_not_to_those_that_more_members_bring() -> None:
    """Classes are added with members, who need no more staff; the members are known."""
    panel = planted_panel(7, n_studios=60)
    rng = np.random.default_rng(8)
    members = panel.values["total_members"]
    before = np.column_stack([members[:, :1], members[:, :-1]])
    classes = before * np.exp(np.where(rng.random(members.shape) < 0.1, 0.1, 0.0).cumsum(1) / 4)
    classes = classes * np.exp(rng.normal(0, 0.1, members.shape))
    staff = 0.7 * (classes / classes.mean()) ** 0.4 * (before / before.mean()) ** -0.4
    staff = staff * np.exp(rng.normal(0, 0.02, members.shape))
    full = with_values(panel, {"total_classes_held": classes, "staff_utilization_rate": staff})
    effect = estimated(full)["utilization"]["classes"]
    assert effect.source == "pooled"
    assert effect.effect == pytest.approx(0.4, abs=0.05)


def test_contributions_by_hand() -> None:
    slopes = {name: LeverEffect(slope, 0.1) for name, slope in SLOPES["retention"].items()}
    responses = Responses({"retention": slopes}, Comfort(0.7, 0.9))
    price, attendance, staff = np.log([[100.0, 100.0]]), np.array([[0.9, np.nan]]), np.array([[0.95, np.nan]])
    found = responses.rows(["one"]).contribution("retention", price, attendance, attendance, staff)
    full = -0.9 * np.log(100) + 0.5 * 0.9 - 3.0 * 0.2 - 4.0 * 0.05
    typical = -0.9 * np.log(100) + 0.5 * 0.65
    np.testing.assert_allclose(found, [[full, typical]])
    none = responses.rows(["one"]).contribution("acquisition", price, attendance, attendance, staff)
    np.testing.assert_array_equal(none, 0.0)
    same = replace(responses, comfort=Comfort(0.7, 0.9, same_month=True)).rows(["one"])
    now = same.contribution("retention", price, attendance, np.array([[0.8, np.nan]]), staff)
    np.testing.assert_allclose(now, [[full + 3.0 * 0.1, typical]])


def test_visits_by_hand() -> None:
    effects = {"visits": {"classes": LeverEffect(0.3, 0.05)}}
    responses = Responses(effects, typical_classes=-1.0)
    rows = responses.rows(["one"])
    found = rows.visits_contribution(np.array([[100.0, np.nan]]), np.array([[200.0, 200.0]]))
    np.testing.assert_allclose(found, [[0.3 * np.log(0.5), -0.3]])


OWN = {
    "retention": {
        "price": OwnResponses(("a", "c"), (0.5, 0.1), (0.4, 0.7), (-1.5, -0.5), (0.2, 0.3)),
        "fullness": OwnResponses(("c",), (0.4,), (0.3,)),
    }
}
OF_THE_PANEL = {
    "price": LeverEffect(-1.0, 0.1, others_share=0.8, estimate=-1.1),
    "overwork": LeverEffect(-0.5, 2.0),
    "fullness": LeverEffect(0.5, 0.1, others_share=0.6),
}


def test_a_studio_s_own_slope_and_what_it_rests_on() -> None:
    responses = Responses({"retention": OF_THE_PANEL}, own=OWN)
    rows = responses.rows(["c", "new", "a"])
    np.testing.assert_array_equal(rows.slope("retention", "price"), [-0.5, -1.0, -1.5])
    np.testing.assert_array_equal(rows.slope("retention", "fullness"), 0.5)
    np.testing.assert_array_equal(rows.slope("acquisition", "price"), 0.0)
    a, c = (responses.effect("retention", "price", name) for name in ("a", "c"))
    assert a == LeverEffect(-1.5, 0.2, 0.5, 0.4, -1.1)
    assert c == LeverEffect(-0.5, 0.3, 0.1, 0.7, -1.1)
    assert a is not None
    assert c is not None
    assert (a.source, c.source) == ("data", "pooled")
    for name in ("price", "overwork", "fullness"):
        assert responses.effect("retention", name, "new") == OF_THE_PANEL[name]
    # Where studios don't differ a studio's own months are some of those that the panel's slope rests on.
    assert responses.effect("retention", "fullness", "c") == LeverEffect(0.5, 0.1, 0.4, 0.3)
    assert responses.effect("retention", "overwork", "c") == OF_THE_PANEL["overwork"]
    assert responses.effect("retention", "crowding", "c") is None
    price = np.log([[100.0, 110.0]] * 3)
    nothing = np.full((3, 2), np.nan)
    added = rows.contribution("retention", price, nothing, nothing, nothing)
    np.testing.assert_allclose(added[:, 1] - added[:, 0], np.log(1.1) * np.array([-0.5, -1.0, -1.5]))
    np.testing.assert_array_equal(rows.take(np.array([2])).slope("retention", "price"), [-1.5])


def test_json_keeps_every_studio() -> None:
    comfort = Comfort(0.7, 0.9, same_month=True)
    responses = Responses({"retention": OF_THE_PANEL}, comfort, OWN, -0.8, 0.0025)
    assert responses_from_json(json.loads(json.dumps(responses_to_json(responses)))) == responses
