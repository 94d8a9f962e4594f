"""What is kept at hand of an origin is bounded, and is that of its place."""

from functools import cache

import numpy as np
import pytest

from studio_pipeline.forecasting.base.origins import Origins
from studio_pipeline.forecasting.core.flow_terms import PATHS
from studio_pipeline.forecasting.forecaster import origin_state as module
from studio_pipeline.forecasting.forecaster.origin_state import OriginStates, plain_origin
from studio_pipeline.forecasting.forecaster.state_builder import StateBuilder
from studio_pipeline_tests.forecasting.fleets import small_fleet


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
