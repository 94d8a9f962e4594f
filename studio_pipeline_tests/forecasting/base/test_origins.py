"""Samples depend on the studios' months and on nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.origins import (
    canonical_order,
    evenly_spaced_origins,
    evenly_spaced_studios,
)
from studio_pipeline_tests.forecasting.fleets import generated_panel, ragged, with_values


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_studios_are_drawn_in_any_order_and_currency(seed: int) -> None:
    panel = ragged(generated_panel())
    rows = np.random.default_rng(seed).permutation(panel.n_studios)
    shuffled = replace(panel.select(rows), studio_ids=panel.studio_ids)
    np.testing.assert_array_equal(rows[canonical_order(shuffled)], canonical_order(panel))
    drawn = evenly_spaced_studios(panel, 7)
    assert set(rows[evenly_spaced_studios(shuffled, 7)]) == set(drawn)
    dearer = with_values(panel, {"total_revenue": 137.0 * panel.values["total_revenue"]})
    np.testing.assert_array_equal(evenly_spaced_studios(dearer, 7), drawn)


def test_a_sample_is_ascending_of_eligible_studios_and_no_larger_than_asked() -> None:
    panel = generated_panel()
    eligible = np.arange(panel.n_studios) % 3 != 0
    drawn = evenly_spaced_studios(panel, 5, eligible)
    assert len(drawn) == 5
    assert (np.diff(drawn) > 0).all()
    assert eligible[drawn].all()
    np.testing.assert_array_equal(evenly_spaced_studios(panel, 100), np.arange(panel.n_studios))


def test_later_months_change_no_order_that_earlier_ones_decide() -> None:
    panel = generated_panel()
    revenue = panel.values["total_revenue"].copy()
    revenue[:, 5:] = np.random.default_rng(1).permutation(revenue[:, 5:])
    later = with_values(panel, {"total_revenue": revenue})
    np.testing.assert_array_equal(canonical_order(later), canonical_order(panel))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_each_month_as_many_origins_as_asked_are_taken_evenly_by_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = np.repeat([3, 4, 9], [100, 7, 33])
    sizes = rng.lognormal(10, 1, len(columns))
    taken = evenly_spaced_origins(columns, [sizes], 10)
    assert [taken[columns == month].sum() for month in (3, 4, 9)] == [10, 7, 10]
    in_order = taken[columns == 3][np.argsort(sizes[columns == 3])]
    assert set(np.diff(np.flatnonzero(in_order))) == {10}
    again = rng.permutation(len(columns))
    shuffled = evenly_spaced_origins(columns[again], [137.0 * sizes[again]], 10)
    np.testing.assert_array_equal(shuffled, taken[again])


def test_origins_of_equal_size_are_told_apart_by_the_next_size() -> None:
    columns, same, other = np.zeros(6, dtype=np.int64), np.ones(6), np.array([5.0, 1, 4, 2, 6, 3])
    taken = evenly_spaced_origins(columns, [same, other], 2)
    assert set(other[taken]) == {2.0, 5.0}


def test_all_origins_are_taken_where_there_are_no_more_than_asked_and_none_of_none() -> None:
    columns = np.repeat([0, 1], 5)
    assert evenly_spaced_origins(columns, [np.arange(10.0)], 5).all()
    assert not evenly_spaced_origins(columns[:0], [np.zeros(0)], 5).size
