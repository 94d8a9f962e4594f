"""What the rules promise of refresh and challenge, in simulated backtests of 50 studios.

`campaigns/test_challenges_over_worlds.py` asks the same of more worlds and of larger fleets.
"""

from studio_pipeline.evaluation.metrics.paired_errors import ErrorDifference
from studio_pipeline.evaluation.promotion.release_decision import Champion, Fitted, decide
from studio_pipeline_tests.evaluation.paired_worlds import PairedErrors, paired_errors
from studio_pipeline_tests.evaluation.promotion.test_guard_rails import summary_of

STUDIOS, ORIGINS, WORLDS = 50, 36, 100
LOOKS = 12
CHALLENGER, CHAMPION = (
    Fitted("other", summary_of()),
    Champion("1", "same", refit=Fitted("same", summary_of())),
)
REFRESHED, BEFORE = Fitted("same", summary_of()), Champion("1", "same")


def spans(errors: PairedErrors, until: int, origins: int) -> dict[str, ErrorDifference]:
    return {"1-3": errors.difference(until, origins, 3), "1-12": errors.difference(until, origins)}


def promoted(scale: float, studios: int, origins: int, worlds: int) -> int:
    """Worlds in which a recipe with `scale` times the champion's error takes its place."""
    found = (spans(paired_errors(seed, studios, origins, scale), origins, origins) for seed in range(worlds))
    return sum(decide(CHALLENGER, CHAMPION, each).promoted for each in found)


def ever_promoted(studios: int, origins: int, worlds: int) -> int:
    """Worlds in which an equal recipe is promoted in any of a year's looks."""

    def ever(seed: int) -> bool:
        errors = paired_errors(seed, studios, origins + LOOKS, 1.0)
        looks = (spans(errors, origins + look, origins) for look in range(LOOKS))
        return any(decide(CHALLENGER, CHAMPION, found).promoted for found in looks)

    return sum(map(ever, range(worlds)))


def refresh_kinds(scale: float, correlation: float, studios: int, origins: int, worlds: int) -> list[str]:
    """What is decided of each world's refresh, whose error is `scale` times that of the model before."""
    # One month more: of the rolling origins all but the oldest are shared.
    found = (
        spans(paired_errors(seed, studios, origins, scale, correlation), origins, origins - 1)
        for seed in range(worlds)
    )
    return [decide(REFRESHED, BEFORE, each).kind for each in found]


def differences(studios: int, origins: int, worlds: int) -> list[ErrorDifference]:
    return [paired_errors(seed, studios, origins, 1.0).difference(origins, origins) for seed in range(worlds)]


def holding(found: list[ErrorDifference]) -> float:
    """Share of intervals that hold the true difference, which is zero."""
    return sum(one.lower < 0 < one.upper for one in found) / len(found)


def test_challengers_are_promoted_as_they_deserve() -> None:
    worse, equal, better = (promoted(scale, STUDIOS, ORIGINS, WORLDS) for scale in (1.05, 1.0, 0.9))
    assert worse == 0
    assert equal <= 0.1 * WORLDS
    assert better >= 0.65 * WORLDS


def test_a_year_of_looks_seldom_promotes_an_equal_recipe() -> None:
    assert ever_promoted(STUDIOS, ORIGINS, WORLDS) <= 10


def test_honest_refreshes_are_published_and_worse_ones_are_refused() -> None:
    honest = refresh_kinds(1.0, 0.98, STUDIOS, ORIGINS, WORLDS)
    assert honest.count("refresh_published") >= 0.97 * WORLDS
    worse = refresh_kinds(1.1, 0.98, STUDIOS, ORIGINS, WORLDS)
    assert worse.count("refresh_refused") >= 0.9 * WORLDS


def test_intervals_hold_nearly_what_they_promise() -> None:
    assert holding(differences(STUDIOS, ORIGINS, 300)) >= 0.91
