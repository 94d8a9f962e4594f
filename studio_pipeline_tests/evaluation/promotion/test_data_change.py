"""Data that have become fewer are named; more, or a few fewer, are not."""

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.evaluation.promotion.guard_rails import shrinkage
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import small_fleet

PANEL = small_fleet().panel


def first_studios(count: int) -> StudioPanel:
    values = {name: array[:count] for name, array in PANEL.values.items()}
    return replace(
        PANEL, studio_ids=PANEL.studio_ids[:count], studio_types=PANEL.studio_types[:count], values=values
    )


@pytest.mark.parametrize(("lost", "said"), [(0, False), (1, False), (4, True)])
def test_lost_studios_are_named_beyond_the_tolerance(lost: int, said: bool) -> None:
    now = first_studios(PANEL.n_studios - lost)
    words = shrinkage(now, PANEL, 0.1)
    assert bool(words) is said
    if said:
        assert f"of {now.n_studios} studios" in words
        assert f"of {PANEL.n_studios}" in words
    assert shrinkage(PANEL, now, 0.0) == ""


def test_an_earlier_end_is_named_whatever_the_tolerance() -> None:
    before = PANEL.until(PANEL.n_months - 2)
    last, previous = (str(panel.months[-1].astype("datetime64[M]")) for panel in (PANEL, before))
    said = f"the data end in {previous}, and those of the last release in {last}"
    assert shrinkage(before, PANEL, 1.0) == said
    assert shrinkage(PANEL, before, 0.0) == ""
    assert int(np.sum(PANEL.known)) > int(np.sum(before.known))
