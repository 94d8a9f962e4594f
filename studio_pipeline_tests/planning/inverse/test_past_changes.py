"""How bold a change is beside what studios have done."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.planning.inverse.explanation import feasibility_score, past_changes
from studio_pipeline.planning.levers import RETENTION, TICKET

CHANGES = np.array([0.01, 0.02, 0.03, 0.04, 0.2, -0.05, -0.06])


@pytest.mark.parametrize(
    ("change", "limit", "score"),
    [
        (0.05, 0.05, 0.0),
        (0.06, 0.05, 0.0),
        (0.0351, 0.05, (2 / 5 - 1 / 5) / (4 / 5)),
        (0.005, 0.05, 1.0),
        (-0.055, -0.1, 0.5),
        (-0.01, -0.02, 0.5),
    ],
)
def test_the_share_of_studios_that_went_as_far(change: float, limit: float, score: float) -> None:
    assert feasibility_score(CHANGES, change, limit) == pytest.approx(score)


def test_where_nobody_moved_it_falls_evenly() -> None:
    assert feasibility_score(np.zeros(0), 1.0, 4.0) == 0.75


@given(st.floats(0.001, 0.3), st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_further_is_never_more_ordinary(one: float, other: float, limit: float) -> None:
    near, far = sorted((one, other))
    scores = [feasibility_score(CHANGES, change, limit) for change in (near, far)]
    assert 1 >= scores[0] >= scores[1] >= 0


def test_changes_are_of_three_month_means_up_to_the_base_month() -> None:
    prices = np.array([[100.0, 100, 100, 110, 110, 110, 500], [50, 50, 50, np.nan, 50, 50, 50]])
    rates = prices / 1000
    values = {"total_revenue": prices, "avg_ticket_price": prices, "retention_rate": rates}
    panel = StudioPanel(np.array(["a", "b"]), np.array(["", ""]), np.datetime64("2024-01", "M"), values)
    np.testing.assert_allclose(past_changes(panel, 5, TICKET, 3), [0.1])
    np.testing.assert_allclose(past_changes(panel, 5, RETENTION, 3), [0.01])
    assert past_changes(panel, 5, TICKET, 4).size == 0
