"""Release decision on a new model: published, refused, or kept as a challenger.

A pure function of summaries and error differences; `registered_model` carries it out. A *refresh* is the
champion's recipe on new months, a *challenge* another recipe. The cases:

| case | rails of the new model | beside the champion | kind | answers | challenger |
|---|---|---|---|---|---|
| no champion, or one that can't be read | any | | `first` | new | |
| same recipe, or one judged before, on the same months | any | | `nothing_new` | champion | as before |
| rolled back, and no new months since | any | | `nothing_new` | champion | |
| same recipe | hold | not worse beyond noise | `refresh_published` | new | |
| same recipe | one fails, or data shrank | or worse beyond noise | `refresh_refused` | champion | |
| other recipe | hold | better beyond noise | `challenge_promoted` | new | |
| other recipe | hold | not better | `challenge_refused` | refit, else champion | new |
| other recipe | one fails, or data shrank | | `challenge_refused` | refit, else champion | |

The *refit* is the champion's recipe on the new months. It is published if its own rails hold, so that the
champion stays up to date while challengers lose. If it can't be fitted any more because the program has
changed, keeping the champion would leave it outdated for good: a challenger whose rails hold is then promoted
unless it is worse beyond noise than the stored backtest of the champion, if there is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from studio_pipeline.evaluation.formatting import per_cent
from studio_pipeline.evaluation.metrics.paired_errors import ErrorDifference
from studio_pipeline.evaluation.metrics.prediction_table import Summary
from studio_pipeline.evaluation.promotion.guard_rails import PromotionConfig, guard_rails, merits


def _less_or_more(difference: ErrorDifference) -> str:
    """A difference as text, such as "4.2 % less"."""
    return f"{per_cent(abs(difference.difference))} {'less' if difference.difference < 0 else 'more'}"


def _beside(differences: Mapping[str, ErrorDifference], rules: PromotionConfig, opponent: str) -> str:
    """The deciding difference, its interval, and the smallest detectable difference, as a clause."""
    span = rules.spans[-1]
    difference = differences.get(span)
    if difference is None or not math.isfinite(difference.difference):
        return f"there is no backtest that it shares forecasts with of {opponent}"
    comparison = f"over months {span} it errs {_less_or_more(difference)} than {opponent}"
    if not math.isfinite(difference.lower):
        return f"{comparison}; {difference.n_origins} shared origins are too few to separate that from noise"
    return (
        f"{comparison} ({per_cent(rules.interval_level, 0)} interval {100 * difference.lower:+.1f} % to"
        f" {100 * difference.upper:+.1f} %, paired over {difference.n_studios} studios and"
        f" {difference.n_origins} origins; a difference of {per_cent(difference.detectable)} would be"
        " detected in 80 of 100 cases)"
    )


Kind = Literal[
    "first", "refresh_published", "refresh_refused", "challenge_promoted", "challenge_refused", "rollback",
    "nothing_new",
]  # fmt: skip
Answering = Literal["new", "refit", "champion"]
Differences = Mapping[str, ErrorDifference]
Clauses = tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """A recipe fitted on the current months: version, backtest, and clauses on levers with wrong signs."""

    recipe: str
    summary: Summary
    lever_findings: Clauses = ()


@dataclass(frozen=True)
class Champion:
    """The published model and the state of its release."""

    model_version: str
    recipe: str | None  # its recipe's version; None if its bundle has none
    fault: str = ""  # the reason why its bundle can't be used, a clause; empty if it verifies
    is_todays: bool = False  # True if it was fitted on the current data
    release_is_todays: bool = False  # True if its release is of the current data
    is_rolled_back: bool = False  # True if it was made current by a rollback
    challenger_recipe: str | None = None  # the recipe of the release's challenger, if any
    shrunk: str = ""  # data of the release that the current data lack, a clause; empty if tolerable
    refit: Fitted | None = None  # its recipe fitted on the current data; only for a challenge
    refit_obstacle: str = ""  # the reason why there is no refit, a clause


@dataclass(frozen=True)
class ReleaseDecision:
    """The decision on a new model."""

    kind: Kind  # the case of the table
    answers: Answering  # the model that the release names; "refit": the champion's recipe on the new months
    reason: str  # the decision in one sentence
    findings: Clauses = ()  # against the new model, one clause each; may be present although it is published
    keeps_challenger: bool = False  # True if the new model passed the rails but lost, and is kept for A/B
    differences: Differences = field(default_factory=dict)  # from the champion's errors, by span

    @property
    def promoted(self) -> bool:
        """True if the release names the new model."""
        return self.answers == "new"


def decide(
    new: Fitted,
    champion: Champion | None,
    differences: Differences | None = None,
    rules: PromotionConfig | None = None,
) -> ReleaseDecision:
    """Decide on a new model by the table of the module's docstring.

    Args:
        new: the configured recipe on the current months.
        champion: the published one; None if there is none from the same kind of months.
        differences: span to the difference of the new model's errors from the refit's in a challenge, or from
            the stored backtest of the champion's bundle if there is no refit; empty if there is neither.
        rules: thresholds; the defaults if None.
    """
    rules = rules or PromotionConfig()
    findings = guard_rails(new.summary, rules, new.lever_findings)
    if champion is None:
        return _first("as the first model", new, findings, rules)
    if champion.fault:
        how = f"in the place of model {champion.model_version}, as {champion.fault}"
        return _first(how, new, findings, rules)
    if (same := _nothing_new(new, champion)) is not None:
        return same
    findings += (champion.shrunk,) if champion.shrunk else ()
    if new.recipe == champion.recipe:
        return _refresh(new, champion, findings, differences or {}, rules)
    return _challenge(new, champion, findings, differences or {}, rules)


def _first(how: str, new: Fitted, findings: Clauses, rules: PromotionConfig) -> ReleaseDecision:
    ground = f"although {'; '.join(findings)}" if findings else merits(new.summary, rules)
    return ReleaseDecision("first", "new", f"Published {how}{',' if findings else ':'} {ground}.", findings)


def _nothing_new(new: Fitted, champion: Champion) -> ReleaseDecision | None:
    if champion.is_rolled_back and champion.release_is_todays:
        why = "it was made current by a rollback, which holds until there are new months"
    elif new.recipe == champion.recipe and champion.is_todays:
        why = "recipe and months are those that it was fitted on"
    elif new.recipe == champion.challenger_recipe and champion.release_is_todays:
        why = "these months have judged this challenger already"
    else:
        return None
    return ReleaseDecision(
        "nothing_new", "champion", f"Nothing new: model {champion.model_version} goes on; {why}."
    )


def _refresh(
    new: Fitted,
    champion: Champion,
    findings: Clauses,
    differences: Differences,
    rules: PromotionConfig,
) -> ReleaseDecision:
    findings = (*findings, *_worse_than_before(differences, rules))
    if findings:
        reason = f"Refused: {'; '.join(findings)}. Model {champion.model_version} goes on."
        return ReleaseDecision("refresh_refused", "champion", reason, findings, differences=differences)
    compared = _beside(differences, rules, f"model {champion.model_version}")
    reason = f"Published: {merits(new.summary, rules)}; {compared}."
    return ReleaseDecision("refresh_published", "new", reason, differences=differences)


def _worse_than_before(differences: Differences, rules: PromotionConfig) -> list[str]:
    return [
        f"over months {span} it errs {_less_or_more(difference)} than the model before, on the same forecasts"
        for span, difference in differences.items()
        if difference.is_worse and difference.difference > rules.refresh_tolerance
    ]


def _challenge(
    new: Fitted,
    champion: Champion,
    findings: Clauses,
    differences: Differences,
    rules: PromotionConfig,
) -> ReleaseDecision:
    lost = findings or _not_good_enough(champion, differences, rules)
    compared = _beside(differences, rules, _opponent(champion))
    if not lost:
        reason = f"Promoted, a changed recipe: {merits(new.summary, rules)}; {compared}."
        return ReleaseDecision("challenge_promoted", "new", reason, differences=differences)
    answers, goes_on = _answering_model(champion, rules)
    shown = "; ".join([*lost, compared] if findings else lost)
    reason = f"Refused, a changed recipe: {shown}. {goes_on}"
    return ReleaseDecision("challenge_refused", answers, reason, tuple(lost), not findings, differences)


def _not_good_enough(champion: Champion, differences: Differences, rules: PromotionConfig) -> list[str]:
    if champion.refit is None:
        return _worse_than_before(differences, rules)
    decisive = differences.get(rules.spans[-1])
    if decisive is None or not decisive.is_better:
        return [_beside(differences, rules, _opponent(champion))]
    return _worse_than_before(differences, rules)


def _opponent(champion: Champion) -> str:
    if champion.refit is not None:
        return f"the recipe of model {champion.model_version}, fitted to the same months"
    return f"model {champion.model_version}, whose recipe can't be fitted again ({champion.refit_obstacle})"


def _answering_model(champion: Champion, rules: PromotionConfig) -> tuple[Answering, str]:
    model = f"Model {champion.model_version}"
    if champion.is_todays:
        return "champion", f"{model} goes on."
    if champion.refit is None:
        return "champion", f"{model} goes on as it is: {champion.refit_obstacle}."
    against = guard_rails(champion.refit.summary, rules, champion.refit.lever_findings)
    against += (champion.shrunk,) if champion.shrunk else ()
    if against:
        refused = f"its recipe on the new months is refused, as {'; '.join(against)}"
        return "champion", f"{model} goes on as it is: {refused}."
    return "refit", f"Its recipe goes on, fitted to the new months: that of model {champion.model_version}."
