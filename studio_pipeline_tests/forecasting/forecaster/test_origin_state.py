"""Origins at hand: bounded, those of their place, and under any levers the forecaster's own answers."""

from functools import cache

import numpy as np
import pytest

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.base.queries import ForwardQuery
from studio_pipeline.forecasting.core.flow_terms import PATHS
from studio_pipeline.forecasting.forecaster import origin_state as module
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.origin_state import OriginStates, plain_origin
from studio_pipeline.forecasting.forecaster.state_builder import StateBuilder
from studio_pipeline_tests.forecasting.fleets import answered, small_fleet


@cache
def prepared() -> OriginStates:
    panel = small_fleet().panel
    rows = np.arange(6)
    return StateBuilder(small_fleet().model, panel).prepare(Origins(rows, panel.last_months[rows]))


def test_an_origin_is_that_of_its_place_and_made_once() -> None:
    for place in range(6):
        origin = plain_origin(prepared(), place)
        assert origin is plain_origin(prepared(), place)
        np.testing.assert_array_equal(
            origin.terms.paths["members"], prepared().terms.stacked[place, PATHS.index("members")]
        )
        np.testing.assert_array_equal(np.array(origin.free).T, prepared().free[place])


def test_no_more_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ORIGINS", 2)
    kept = prepared().take(np.arange(6))
    first = plain_origin(kept, 0)
    for place in range(1, 6):
        plain_origin(kept, place)
        assert len(kept.plain) <= 2
    again = plain_origin(kept, 0)
    assert again is not first
    assert again.scale == first.scale


def test_factors_of_many_sets_of_levers_are_bounded() -> None:
    origin = plain_origin(prepared().take(np.arange(1)), 0)
    for month in range(12):
        for lever in ("avg_ticket_price", "retention_rate"):
            once = origin.factors_since(((lever, month),))
            assert once == origin.factors_since(((lever, month),))
            assert [begun for *_, begun in once] == [k >= month for k in range(12)]
    assert len(origin.factors) <= 16


@cache
def forecaster(with_learners: bool) -> Forecaster:
    model = small_fleet().model_of_all if with_learners else small_fleet().model
    return Forecaster(model, small_fleet().panel)


def drawn_sets(origin, n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {lever: rng.uniform(*origin.shown.get(lever, (0.6, 0.9)), n) for lever in origin.carried}


@pytest.mark.parametrize("with_learners", [True, False])
@pytest.mark.parametrize("row", [0, 1, 2, 3, 4, 5])
def test_revenue_under_many_sets_is_what_each_forecast_says(with_learners: bool, row: int) -> None:
    at_hand = forecaster(with_learners)
    studio = str(at_hand.panel.studio_ids[row])
    origin = at_hand.origin(ForwardQuery(studio))
    sets = drawn_sets(origin, 7, row)
    many = origin.revenue_under(sets, 9)
    queries = [
        ForwardQuery(studio, projection_months=9, levers={lever: float(v[k]) for lever, v in sets.items()})
        for k in range(7)
    ]
    one_by_one = [answered(at_hand, [query])[0].revenue for query in queries]
    np.testing.assert_allclose(many, one_by_one, rtol=1e-10)
    assert np.ptp(many[:, -1]) > 0.01 * many[:, -1].mean()


def test_an_older_base_month_is_its_own_origin() -> None:
    at_hand = forecaster(False)
    studio, month = str(at_hand.panel.studio_ids[0]), at_hand.panel.months[-5]
    origin = at_hand.origin(ForwardQuery(studio, month))
    assert origin.base_month == month
    assert origin.history_months == at_hand.panel.n_months - 4
    levers = {"avg_ticket_price": np.array([140.0])}
    (answer,) = answered(at_hand, [ForwardQuery(studio, month, 3, {"avg_ticket_price": 140.0})])
    np.testing.assert_allclose(origin.revenue_under(levers, 3)[0], answer.revenue, rtol=1e-12)


def test_revenue_alone_carries_no_lever_and_missing_classes_only_their_own() -> None:
    at_hand = forecaster(False)
    names = at_hand.panel.studio_ids
    assert at_hand.origin(ForwardQuery(str(names[6]))).carried == ()
    carried = at_hand.origin(ForwardQuery(str(names[4]))).carried
    assert set(LEVER_BOUNDS) - set(carried) == {"class_attendance_rate", "total_classes_held"}
