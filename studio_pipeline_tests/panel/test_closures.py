"""Closures: since when a studio counts as closed, by the months up to then alone."""

import numpy as np
import pytest

from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.closures import closed_months, closed_since, closed_studios, closed_text
from studio_pipeline.panel.columns import NUMERIC_COLUMNS

OPEN = [100.0] * 12


def panel_of(*revenues: list[float], members: list[float] | None = None) -> StudioPanel:
    revenue = np.array(revenues)
    values = {name: np.full(revenue.shape, np.nan) for name in NUMERIC_COLUMNS}
    people = np.where(revenue > 0, 50.0, 0.0) if members is None else np.array([members])
    values |= {"total_revenue": revenue, "total_members": people}
    ids = np.array([f"s{k}" for k in range(len(revenue))])
    return StudioPanel(ids, np.full(len(revenue), ""), np.datetime64("2023-01", "M"), values)


@pytest.mark.parametrize(
    ("revenue", "members", "closed"),
    [
        (OPEN, None, False),
        ([*OPEN, 0, 0], None, False),
        ([*OPEN, 0, 0, 0], None, True),
        ([*OPEN, 0, 0, 0], [50.0] * 15, False),
        ([*OPEN, 0, 0, 0], [np.nan] * 15, True),
        ([*OPEN, 0, 0, 0, 5], None, False),
        ([*OPEN, 0, np.nan, 0, 0], None, False),
        # Shut in the same three months of the year before, and open between.
        ([*[100.0] * 6, 0, 0, 0, *[100.0] * 9, 0, 0, 0], None, False),
        # The whole year since: not a season any more.
        ([*[100.0] * 6, *[0.0] * 15], None, True),
    ],
)
def test_when_a_studio_counts_as_closed(revenue, members, closed) -> None:
    panel = panel_of(revenue, members=members)
    assert closed_months(panel)[0, -1] == closed
    assert (closed_since(panel, 0, panel.n_months - 1) is not None) == closed


def test_no_later_month_changes_what_a_month_was() -> None:
    panel = panel_of([*OPEN, 0, 0, 0, 0, 100, 0, 0, 0])
    whole = closed_months(panel)
    for column in range(panel.n_months):
        np.testing.assert_array_equal(closed_months(panel.until(column))[:, -1], whole[:, column])


def test_closed_studios_are_named_with_their_first_month_without_revenue() -> None:
    panel = panel_of([*OPEN, 0, 0, 0, 0], [*OPEN, 1, 1, 1, 1])
    closed = closed_studios(panel)
    assert closed == [("s0", np.datetime64("2024-01", "M"))]
    assert closed_text(closed) == "Taken as closed and forecast at 0: s0 has taken nothing since 2024-01."
    assert closed_text([]) == ""
    assert closed_text(closed * 7).endswith(", and 2 more.")
