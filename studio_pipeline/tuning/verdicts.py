"""What came of the search of one learner: the defaults, or values that beat them beyond noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio_pipeline.evaluation.candidates import LABELS
from studio_pipeline.evaluation.wording import per_cent
from studio_pipeline.tuning.decision import Gain, is_beyond_noise


@dataclass(frozen=True)
class Search:
    """What a search did.

    Attributes:
        trials: that ended, given up ones among them.
        given_up: trials that were given up after a fold.
        seconds: of all trials of the study, in whichever run.
        stop_reason: why it ended, in words.
        gain: share of the defaults' error that the best values save where they were searched; optimistic.
    """

    trials: int
    given_up: int
    seconds: float
    stop_reason: str
    gain: float


@dataclass(frozen=True)
class LearnerVerdict:
    """The verdict on one learner.

    Attributes:
        learner: its name.
        values: hyperparameters that take the place of the defaults; empty where these stay.
        proposed: the best values of the search, used or not; empty where nothing beat the defaults there.
        gain: share of the defaults' error that the proposed save in months that the search did not see.
        search: what the search did.
        reason: one sentence for people.
    """

    learner: str
    values: Mapping[str, float]
    proposed: Mapping[str, float]
    gain: Gain | None
    search: Search
    reason: str


def judge(
    learner: str, proposed: Mapping[str, float], gain: Gain | None, search: Search, least_gain: float
) -> LearnerVerdict:
    """The verdict, and why.

    Args:
        learner: its name.
        proposed: the best values of the search; empty where these are the defaults.
        gain: of the proposed over the defaults in months not searched; None if none is proposed.
        search: what the search did.
        least_gain: share of the error that must be saved.
    """
    name = LABELS[learner]
    if gain is None or not proposed:
        reason = f"{name} keeps its defaults: none of {search.trials} trials beat them where it was searched."
        return LearnerVerdict(learner, {}, {}, None, search, reason)
    words = (
        f"the best of {search.trials} trials saves {per_cent(gain.share, 2)} of its error in"
        f" {gain.n_months} months that the search did not see ({per_cent(gain.low, 2)} to"
        f" {per_cent(gain.high, 2)})"
    )
    if is_beyond_noise(gain, least_gain):
        return LearnerVerdict(learner, proposed, proposed, gain, search, f"{name} is tuned: {words}.")
    short = "less than it must" if gain.low > 0 else "no more than noise explains"
    return LearnerVerdict(
        learner, {}, proposed, gain, search, f"{name} keeps its defaults: {words}, {short}."
    )


def unsearched(learner: str, reason: str) -> LearnerVerdict:
    """The verdict on a learner that could not be searched: its defaults stay."""
    search = Search(0, 0, 0.0, reason, 0.0)
    return LearnerVerdict(learner, {}, {}, None, search, f"{LABELS[learner]} keeps its defaults: {reason}.")
