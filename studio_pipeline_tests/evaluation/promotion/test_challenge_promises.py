"""What the rules promise of refresh and challenge, in a hundred simulated backtests of each size."""

import pytest

from studio_pipeline.evaluation.metrics.paired_errors import ErrorDifference
from studio_pipeline.evaluation.promotion.release_decision import Champion, Fitted, decide
from studio_pipeline_tests.evaluation.paired_worlds import PairedErrors, paired_errors
from studio_pipeline_tests.evaluation.promotion.test_guard_rails import summary_of

WORLDS = 100
LOOKS = 12
LARGER = [
    pytest.param(300, 36, marks=pytest.mark.campaign),
    pytest.param(300, 24, marks=pytest.mark.campaign),
]
SIZES = [(50, 36), *LARGER]
CHALLENGER, CHAMPION = (
    Fitted("other", summary_of()),
    Champion("1", "same", refit=Fitted("same", summary_of())),
)
REFRESHED, BEFORE = Fitted("same", summary_of()), Champion("1", "same")


def spans(errors: PairedErrors, until: int, origins: int) -> dict[str, ErrorDifference]:
    return {"1-3": errors.difference(until, origins, 3), "1-12": errors.difference(until, origins)}


def promoted(scale: float, studios: int, origins: int) -> int:
    """Worlds in which a recipe with `scale` times the champion's error takes its place."""
    found = (spans(paired_errors(seed, studios, origins, scale), origins, origins) for seed in range(WORLDS))
    return sum(decide(CHALLENGER, CHAMPION, each).promoted for each in found)


def refresh_kinds(scale: float, correlation: float, studios: int, origins: int) -> list[str]:
    """What is decided of each world's refresh, whose error is `scale` times that of the model before."""
    # One month more: of the rolling origins all but the oldest are shared.
    found = (
        spans(paired_errors(seed, studios, origins, scale, correlation), origins, origins - 1)
        for seed in range(WORLDS)
    )
    return [decide(REFRESHED, BEFORE, each).kind for each in found]


@pytest.mark.parametrize(("studios", "origins"), SIZES)
def test_challengers_are_promoted_as_they_deserve(studios: int, origins: int) -> None:
    worse, equal, better = (promoted(scale, studios, origins) for scale in (1.05, 1.0, 0.9))
    print(f"promoted of {WORLDS}, by their error: 1.05 {worse}, 1.0 {equal}, 0.9 {better}")  # noqa: T201
    assert worse == 0
    assert equal <= 10
    assert better >= (90 if studios >= 300 else 65)


@pytest.mark.parametrize(("studios", "origins"), SIZES[:2])
def test_a_year_of_looks_seldom_promotes_an_equal_recipe(studios: int, origins: int) -> None:
    def ever(seed: int) -> bool:
        errors = paired_errors(seed, studios, origins + LOOKS, 1.0)
        looks = (spans(errors, origins + look, origins) for look in range(LOOKS))
        return any(decide(CHALLENGER, CHAMPION, found).promoted for found in looks)

    assert sum(map(ever, range(WORLDS))) <= 10


@pytest.mark.parametrize(("studios", "origins"), SIZES)
@pytest.mark.parametrize("correlation", [0.98, pytest.param(0.995, marks=pytest.mark.campaign)])
def test_honest_refreshes_are_published(studios: int, origins: int, correlation: float) -> None:
    assert refresh_kinds(1.0, correlation, studios, origins).count("refresh_published") >= 97


@pytest.mark.parametrize(("studios", "origins"), SIZES[:2])
def test_worse_refreshes_are_refused(studios: int, origins: int) -> None:
    assert refresh_kinds(1.1, 0.98, studios, origins).count("refresh_refused") >= 90


@pytest.mark.parametrize(("studios", "origins"), SIZES)
def test_intervals_hold_nearly_what_they_promise(studios: int, origins: int) -> None:
    found = [paired_errors(seed, studios, origins, 1.0).difference(origins, origins) for seed in range(300)]
    holding = sum(one.lower < 0 < one.upper for one in found) / len(found)
    detectable = sorted(one.detectable for one in found)[len(found) // 2]
    print(f"95 % intervals hold {holding:.1%}; detectable with 80 % power: {detectable:.1%}")  # noqa: T201
    # A variance from few cosines comes out a little small where errors last for months.
    assert holding >= 0.91
