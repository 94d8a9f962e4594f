"""Planted responses: the true effects of levers, and the strength of seasons and shock.

The planted behaviour, with r the retention rate, P the ticket, R the studio's reference price (its own base
price times the common price level, which drifts), a the class attendance rate and u the staff utilisation:

    logit r = studio + season + common + own + price_on_retention log(P/R)
              + crowding_on_retention max(a - comfortable_attendance_rate, 0)
              + overwork_on_retention max(u - comfortable_staff_utilization, 0) + shocks
    log new = studio + season + common + own + price_on_acquisition log(P/R) + promotions + shocks
    log visits a member = studio + season + own + classes_on_visits log(classes a member)

"common" and "own" are autoregressive noise of the market and of one studio. Decisions on price, timetable
and payroll don't depend on retention or new members, so these are causal effects that a regression can
estimate. The simulation that applies them is in `dynamics`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.panel.generator.randomness import responses_generator


@dataclass(frozen=True)
class PlantedResponses:
    """The true coefficients of one synthetic fleet.

    Attributes:
        price_on_retention: slope of logit retention on log price relative to the reference; negative.
        price_on_acquisition: elasticity of new members to price relative to the reference; negative.
        crowding_on_retention: slope of logit retention on attendance above the comfortable rate; negative.
        overwork_on_retention: slope of logit retention on utilisation above the comfortable one; negative.
        classes_on_visits: elasticity of visits a member to classes a member; 0..1.
        comfortable_attendance_rate: the attendance rate from which a class feels crowded, 0..1.
        comfortable_staff_utilization: the utilisation from which staff are overworked, 0..1.
        studio_spread: standard deviation over studios of the log of each studio's own sensitivity to price;
            the mean sensitivity is 1.
        price_drift: monthly growth of the common price level.
        season_strength: factor on the seasons of the studio types; 1 is as tabled.
        shock_strength: factor on the common shock; 1 is as tabled.
    """

    price_on_retention: float = -1.2
    price_on_acquisition: float = -0.75
    crowding_on_retention: float = -2.4
    overwork_on_retention: float = -3.0
    classes_on_visits: float = 0.35
    comfortable_attendance_rate: float = 0.74
    comfortable_staff_utilization: float = 0.84
    studio_spread: float = 0.2
    price_drift: float = 0.0022
    season_strength: float = 1.0
    shock_strength: float = 1.0


VARIED_RANGES: dict[str, tuple[float, float]] = {
    "price_on_retention": (-2.2, -0.4),
    "price_on_acquisition": (-1.4, -0.2),
    "crowding_on_retention": (-4.0, -0.8),
    "overwork_on_retention": (-5.0, -1.0),
    "classes_on_visits": (0.15, 0.55),
    "comfortable_attendance_rate": (0.68, 0.80),
    "comfortable_staff_utilization": (0.80, 0.88),
    "studio_spread": (0.0, 0.35),
    "price_drift": (0.0, 0.0035),
    "season_strength": (0.3, 1.6),
    "shock_strength": (0.4, 1.3),
}
"""The range from which each coefficient is drawn uniformly where `vary` is set."""


def planted_responses(options: GeneratorConfig) -> PlantedResponses:
    """The coefficients of a configuration: the defaults or, with `vary`, drawn from its seed."""
    planted = PlantedResponses()
    if not options.vary:
        return planted
    shares = responses_generator(options.seed).random(len(VARIED_RANGES))
    drawn = {
        name: float(low + share * (high - low))
        for (name, (low, high)), share in zip(VARIED_RANGES.items(), shares, strict=True)
    }
    return replace(planted, **drawn)
