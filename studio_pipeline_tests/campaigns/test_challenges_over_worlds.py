"""What the rules promise of refresh and challenge, in a hundred simulated backtests of each size."""

import pytest

from studio_pipeline_tests.evaluation.promotion.test_challenge_promises import (
    LOOKS,
    differences,
    ever_promoted,
    holding,
    promoted,
    refresh_kinds,
)

pytestmark = pytest.mark.campaign

WORLDS = 100
SIZES = [(300, 36), (300, 24), (50, 36)]


@pytest.mark.parametrize(("studios", "origins"), SIZES)
def test_challengers_are_promoted_as_they_deserve_at_every_size(studios: int, origins: int) -> None:
    worse, equal, better = (promoted(scale, studios, origins, WORLDS) for scale in (1.05, 1.0, 0.9))
    print(f"{studios} studios, {origins} origins: promoted of {WORLDS}: {worse} with 5 % more error,")  # noqa: T201
    print(f"  {equal} with the same, {better} with 10 % less")  # noqa: T201
    assert worse == 0
    assert equal <= 10
    assert better >= (90 if studios >= 300 else 65)


def test_a_year_of_looks_at_300_studios_seldom_promotes_an_equal_recipe() -> None:
    count = ever_promoted(300, 36, WORLDS)
    print(f"an equal recipe, looked at in each of {LOOKS} months: promoted in {count} of {WORLDS}")  # noqa: T201
    assert count <= 10


@pytest.mark.parametrize(("studios", "origins"), SIZES)
@pytest.mark.parametrize("correlation", [0.98, 0.995])
def test_honest_refreshes_are_published_at_every_size(studios: int, origins: int, correlation: float) -> None:
    count = refresh_kinds(1.0, correlation, studios, origins, WORLDS).count("refresh_published")
    case = f"{studios} studios, {origins} origins, correlation {correlation}"
    print(f"{case}: {count} of {WORLDS} refreshes published")  # noqa: T201
    assert count >= 97


def test_a_worse_refresh_of_300_studios_is_refused() -> None:
    count = refresh_kinds(1.1, 0.98, 300, 36, WORLDS).count("refresh_refused")
    print(f"a refresh with 10 % more error: refused in {count} of {WORLDS}")  # noqa: T201
    assert count >= 90


@pytest.mark.parametrize(("studios", "origins"), SIZES)
def test_intervals_hold_nearly_what_they_promise_at_every_size(studios: int, origins: int) -> None:
    found = differences(studios, origins, 300)
    detectable = sorted(one.detectable for one in found)[len(found) // 2]
    print(f"{studios} studios, {origins} origins: 95 % intervals hold {holding(found):.1%};", end=" ")  # noqa: T201
    print(f"detectable with 80 % power: {detectable:.1%}")  # noqa: T201
    # A variance from few cosines comes out a little small where errors last for months.
    assert holding(found) >= 0.91
