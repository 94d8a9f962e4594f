"""One studio on plain numbers is one of many on arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.core.flow_terms import PATHS, SLOPES, START, FlowTerms
from studio_pipeline.forecasting.core.scalar_simulation import plain_terms, run_one
from studio_pipeline.forecasting.core.simulation import simulate_terms
from studio_pipeline.panel.arrays import FloatArray

MONTHS = 12
ABOUT = {
    "retention": (1.0, 4.0),
    "acquisition": (0.0, 4.0),
    "members": (10.0, 900.0),
    "visits": (1.0, 9.0),
    "ticket": (20.0, 300.0),
    "classes": (0.0, 200.0),
    "revenue": (0.0, 90_000.0),
    "upsell_rate": (0.0, 1.0),
    "staff": (0.3, 1.0),
    "price_log": (3.0, 6.0),
    "least_price": (0.2, 3.0),
    "class_capacity": (4.0, 40.0),
    "attendance_rate": (0.1, 1.0),
    "usual_attendance": (0.4, 0.8),
    "classes_per_member": (-3.0, 1.0),
    "comfortable_attendance": (0.6, 0.9),
    "comfortable_utilization": (0.6, 0.9),
    "crowds_same_month": (0.0, 0.0),
}
LEVERS = {lever: (0.0, min(ends.high, 2000.0)) for lever, ends in LEVER_BOUNDS.items()}
MAY_BE_UNKNOWN = (
    "retention",
    "acquisition",
    "members",
    "visits",
    "ticket",
    "classes",
    "class_capacity",
    "attendance_rate",
)


def drawn(
    rng: np.random.Generator, names: tuple[str, ...], size: tuple[int, ...], unknown: set[str]
) -> FloatArray:
    rows = [
        np.full(size, np.nan) if name in unknown else rng.uniform(*ABOUT.get(name, (0.0, 30.0)), size)
        for name in names
    ]
    return np.stack(rows)


@given(
    seed=st.integers(0, 2**32 - 1),
    unknown=st.sets(st.sampled_from(MAY_BE_UNKNOWN), max_size=4),
    steady=st.sets(st.sampled_from([name for name in SLOPES if name not in ABOUT])),
    same_month=st.booleans(),
    closed=st.booleans(),
    given_from=st.dictionaries(st.sampled_from(sorted(LEVERS)), st.integers(0, 11)),
)
@settings(max_examples=300, deadline=None)
def test_plain_numbers_and_arrays_run_alike(
    seed: int, unknown: set[str], steady: set[str], same_month: bool, closed: bool, given_from: dict[str, int]
) -> None:
    rng = np.random.default_rng(seed)
    slopes = drawn(rng, SLOPES, (1,), set())
    for place, name in enumerate(SLOPES):
        if name not in ABOUT:
            slopes[place] = 0.0 if name in steady else rng.normal(0, 1)
    slopes[SLOPES.index("crowds_same_month")] = float(same_month)
    terms = FlowTerms(
        drawn(rng, PATHS, (1, MONTHS), unknown).swapaxes(0, 1), drawn(rng, START, (1,), unknown).T, slopes.T
    )
    levers = {name: rng.uniform(*LEVERS[name], (1, MONTHS)) for name in given_from}
    if closed:
        # In some months there are no classes, or none are given.
        for classes in (terms.stacked[0, PATHS.index("classes")], *levers.get("total_classes_held", ())):
            classes[rng.random(MONTHS) < 0.3] = 0.0
    for name, first in given_from.items():
        levers[name][0, :first] = np.nan
    paths = simulate_terms(terms, levers)
    plain = {name: path[0].tolist() for name, path in levers.items()}
    expected = np.stack([paths.revenue[0], paths.members[0], paths.retention_rate[0]])
    np.testing.assert_allclose(run_one(plain_terms(*terms.plain(0)), plain), expected, rtol=1e-12)


@pytest.mark.parametrize(("log_odds", "retention"), [(1e4, 1.0), (-1e4, 0.0)])
def test_extreme_responses_stay_rates(log_odds: float, retention: float) -> None:
    rng = np.random.default_rng(1)
    terms = FlowTerms(
        drawn(rng, PATHS, (1, MONTHS), set()).swapaxes(0, 1),
        drawn(rng, START, (1,), set()).T,
        np.zeros((1, len(SLOPES))),
    )
    terms.stacked[:, PATHS.index("retention")] = log_odds
    terms.stacked[:, PATHS.index("acquisition")] = abs(log_odds)
    plain = plain_terms(*terms.plain(0))
    found = run_one(plain, {"new_members_monthly": [5.0] * MONTHS})
    np.testing.assert_allclose(found[2], retention, atol=1e-12)
    assert np.isfinite(run_one(plain, {})[1]).all()
