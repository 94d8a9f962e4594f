"""Guard rails: findings against a model, independent of the model it would replace.

Thresholds, and the checks of backtest errors, coverage, lever signs and lost data. `release_decision.decide`
draws the consequences, together with the comparison with the published model.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from studio_pipeline.evaluation.formatting import per_cent
from studio_pipeline.evaluation.metrics.prediction_table import LABELS, Summary, best_baseline
from studio_pipeline.panel.arrays import StudioPanel

Margin = Annotated[float, Field(ge=0, le=0.5)]
Share = Annotated[float, Field(ge=0, le=1)]


class PromotionConfig(BaseModel):
    """Thresholds of the guard rails and of the comparison with the published model.

    A margin is `tolerance`, widened to `standard_errors` times the standard error of the figure if that is
    more, but never beyond `limit`, so that a small sample can't excuse every error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(
        "revenue", pattern="^(revenue|members|retention)$", description="The target that decides."
    )
    spans: tuple[Literal["1", "1-3", "1-6", "1-12"], ...] = Field(
        ("1-3", "1-12"), min_length=1, description="Spans of horizons over which the ensemble must hold."
    )
    standard_errors: float = Field(2.0, ge=0, le=5, description="Noise allowed for, in standard errors.")
    worse_tolerance: Margin = Field(
        0.02, description="WAPE above the best simple baseline's that always passes, relative."
    )
    worse_limit: Share = Field(0.10, description="The same that never passes, relative.")
    coverage_tolerance: Margin = Field(
        0.04, description="How far below 0.9 the 90 % intervals' coverage always passes."
    )
    coverage_limit: float = Field(0.20, ge=0, le=0.9, description="The same that never passes.")
    refresh_tolerance: Margin = Field(
        0.02,
        description="WAPE of a refresh above the model before's, on the same forecasts, that always passes.",
    )
    interval_level: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Level of a difference's interval, which excludes zero where it is beyond noise.",
    )
    shrink_tolerance: Share = Field(
        0.05, description="Share of the last release's studio months that a new model's data may lack."
    )
    sign_tolerance: Share = Field(
        0.01, description="Share of revenue that a lever may move the wrong way before a model is refused."
    )


def guard_rails(
    candidate: Summary, rules: PromotionConfig | None = None, lever_findings: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Findings against a model, one clause each; empty if it passes.

    A model fails if its figures are missing, if its WAPE exceeds the best simple baseline's or the coverage
    of its 90 % intervals is too low, each by more than noise explains, or if a lever has an implausible sign.
    Intervals with too high coverage are mentioned in the report, and are no reason to keep an older model.

    Args:
        candidate: summary of its backtest, as `metrics.summary.summarise` makes it.
        rules: thresholds; the defaults if None.
        lever_findings: of `levers.lever_text.sign_findings`.
    """
    rules = rules or PromotionConfig()
    return (
        *_missing(candidate, rules),
        *_worse(candidate, rules),
        *_promising_too_much(candidate, rules),
        *lever_findings,
    )


def merits(candidate: Summary, rules: PromotionConfig) -> str:
    """Error and coverage of a model that passes the guard rails, as a clause."""
    span = rules.spans[-1]
    baseline = best_baseline(candidate, rules.target, span)
    difference = candidate[f"{rules.target}_versus_{baseline}_{span}"]
    covered = candidate[f"{rules.target}_coverage_90_{span}"]
    error = candidate.get(f"{rules.target}_wape_{span}_ensemble", math.nan)
    distance = f"{per_cent(abs(difference))} {'below' if difference < 0 else 'above'}"
    return (
        f"over months {span} its error of {per_cent(error, 2)} is {distance} that of"
        f" {LABELS[baseline or '']} and its 90 % intervals hold {per_cent(covered)}"
    )


def _missing(candidate: Summary, rules: PromotionConfig) -> tuple[str, ...]:
    if candidate.get("n_missing", 0) > 0:
        return (
            f"{candidate['n_missing']:.0f} of {candidate['n_forecasts']:.0f} backtest forecasts are missing",
        )
    needed = [f"{rules.target}_wape_{span}_ensemble" for span in rules.spans]
    needed += [f"{rules.target}_coverage_90_{span}" for span in rules.spans]
    absent = [name for name in needed if not math.isfinite(candidate.get(name, math.nan))]
    without = [span for span in rules.spans if best_baseline(candidate, rules.target, span) is None]
    if absent:
        return (f"the backtest is too short to judge the model ({', '.join(absent)} could not be computed)",)
    return (f"no simple baseline can be compared over months {', '.join(without)}",) if without else ()


def _worse(candidate: Summary, rules: PromotionConfig) -> tuple[str, ...]:
    findings = []
    for span in rules.spans:
        baseline = best_baseline(candidate, rules.target, span)
        if baseline is None:
            continue
        name = f"{rules.target}_versus_{baseline}_{span}"
        noise = candidate.get(f"{name}_standard_error", math.nan)
        margin = _margin(noise, rules.worse_tolerance, rules.worse_limit, rules.standard_errors)
        if candidate[name] > margin:
            findings.append(
                f"over months {span} its error exceeds that of {LABELS[baseline]} by"
                f" {per_cent(candidate[name])} (noise explains {per_cent(margin)})"
            )
    return tuple(findings)


def _promising_too_much(candidate: Summary, rules: PromotionConfig) -> tuple[str, ...]:
    findings = []
    for span in rules.spans:
        name = f"{rules.target}_coverage_90_{span}"
        covered = candidate.get(name, math.nan)
        noise = max(_least_noise(candidate), candidate.get(f"{name}_standard_error", math.nan))
        margin = _margin(noise, rules.coverage_tolerance, rules.coverage_limit, rules.standard_errors)
        if covered < 0.9 - margin:
            findings.append(
                f"over months {span} its 90 % intervals hold {per_cent(covered)} of what happened"
                f" (noise explains {per_cent(0.9 - margin)})"
            )
    return tuple(findings)


def _least_noise(candidate: Summary) -> float:
    """Standard error of a coverage of 0.9 with one independent draw per studio and 12 forecast months.

    Lower bound for small samples in which all months lie inside or outside, so that the estimate is zero.
    """
    draws = max(candidate.get("n_studios", 1), 1) * max(candidate.get("n_months", 1) / 12, 1)
    return math.sqrt(0.9 * 0.1 / draws)


def _margin(noise: float, tolerance: float, limit: float, standard_errors: float) -> float:
    allowed = standard_errors * noise if math.isfinite(noise) else 0.0
    return min(max(tolerance, allowed), max(limit, tolerance))


def shrinkage(now: StudioPanel, before: StudioPanel, tolerance: float) -> str:
    """Data of the last release that today's lack, as a clause; empty if the loss is tolerable.

    The tolerance is the share of the release's studio months that may be missing, 0..1.
    """
    if now.months[-1:] < before.months[-1:]:
        return f"the data end in {now.months[-1]}, and those of the last release in {before.months[-1]}"
    months, expected = int(now.known.sum()), int(before.known.sum())
    if months >= (1 - tolerance) * expected:
        return ""
    return (
        f"the data have {months:,} studio months of {now.n_studios} studios,"
        f" {per_cent(1 - months / expected)} fewer than the last release's {expected:,} of {before.n_studios}"
    )
