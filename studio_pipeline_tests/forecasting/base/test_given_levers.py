"""What is made once for a set of given levers is what their paths say."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.given_levers import HELD_LEVERS, first_months, given_months, months_from
from studio_pipeline.forecasting.base.queries import ForwardQuery, LeverStep
from studio_pipeline.forecasting.features.lever_features import GIVEN_FEATURES, given_from_levels, put_given
from studio_pipeline.forecasting.forecaster.requests import lever_lists

LEVERS = st.dictionaries(st.sampled_from(HELD_LEVERS), st.floats(0.0, 1.0), min_size=1, max_size=4)
STEPS = st.lists(
    st.builds(LeverStep, st.integers(1, 12), LEVERS), max_size=3, unique_by=lambda s: s.from_month
)
LEVELS = st.lists(st.floats(-3.0, 3.0) | st.just(float("nan")), min_size=7, max_size=7)


@given(levers=LEVERS, steps=STEPS)
def test_months_of_a_set_are_those_of_its_paths(levers: dict[str, float], steps: list[LeverStep]) -> None:
    query = ForwardQuery("a", levers=levers, lever_plan=tuple(steps))
    by_set = months_from(first_months(query))
    by_path = given_months({name: np.array(path) for name, path in lever_lists(query).items()})
    assert by_set.given.keys() == by_path.given.keys()
    for name, months in by_path.given.items():
        np.testing.assert_array_equal(by_set.given[name], months)
    np.testing.assert_array_equal(by_set.begun, by_path.begun)
    assert by_set.always == by_path.always >= levers.keys()


@given(levers=LEVERS, steps=STEPS, levels=LEVELS)
def test_rows_of_one_origin_are_those_of_many(
    levers: dict[str, float], steps: list[LeverStep], levels: list[float]
) -> None:
    paths = lever_lists(ForwardQuery("a", levers=levers, lever_plan=tuple(steps)))
    block = np.zeros((12, len(GIVEN_FEATURES)), dtype=np.float32)
    put_given(block, np.array(levels), paths)
    arrays = {name: np.array([path]) for name, path in paths.items()}
    np.testing.assert_allclose(block, given_from_levels(np.array([levels]), arrays)[0], atol=1e-6)
