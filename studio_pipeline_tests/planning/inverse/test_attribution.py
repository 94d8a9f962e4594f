"""The Shapley split, against its definition over all orders."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.planning.inverse.attribution import shapley_split


def bent(x: np.ndarray) -> np.ndarray:
    return x[0] * x[1] + x[2] ** 2 * x[3] + 3 * x[4] - x[5] * x[0] + x[6]


def by_all_orders(present: np.ndarray, plan: np.ndarray) -> dict[int, float]:
    changed = [k for k in range(7) if plan[k] != present[k]]
    shares = dict.fromkeys(changed, 0.0)
    orders = list(permutations(changed))
    for order in orders:
        now = present.copy()
        for place in order:
            before = bent(now[:, None])[0]
            now[place] = plan[place]
            shares[place] += (bent(now[:, None])[0] - before) / len(orders)
    return shares


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=7, max_size=7), st.lists(st.floats(0, 5), min_size=7, max_size=7))
def test_it_is_the_mean_over_all_orders_and_adds_up(one: list[float], other: list[float]) -> None:
    present, plan = np.array(one), np.array(other)
    plan[5:] = present[5:]
    shares = shapley_split(present, plan, bent)
    assert shares == pytest.approx(by_all_orders(present, plan), abs=1e-9)
    gain = bent(plan[:, None])[0] - bent(present[:, None])[0]
    assert sum(shares.values()) == pytest.approx(gain, abs=1e-9)


def test_a_lever_that_changes_nothing_gets_nothing_and_no_change_has_no_shares() -> None:
    present = np.ones(7)
    assert shapley_split(present, present, bent) == {}
    plan = present.copy()
    plan[[4, 6]] = 2.0
    assert shapley_split(present, plan, lambda x: 3 * x[4]) == {4: 3.0, 6: 0.0}
