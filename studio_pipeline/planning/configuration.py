"""Planning configuration: unit costs and lead times of levers, movement limits, and thresholds of plans."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1000)]
Cost = Annotated[float | None, Field(ge=0, le=1e12)]
Weeks = Annotated[float, Field(ge=0, le=104)]
Points = Annotated[float | None, Field(ge=0, le=1)]
Amount = Annotated[float | None, Field(ge=0, le=1e12)]


class PlanningTable(BaseModel):
    """Base of the planning tables: frozen; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CostShares(PlanningTable):
    """Cost of one more unit of each lever for a month, as multiples of the studio's own present figures, so
    that the table is valid in any currency and for any size of studio.
    """

    retention_rate: Share = Field(
        0.8, description="Effort that keeps a share 1 of the members, in tickets of all members."
    )
    avg_ticket_price: Share = Field(
        0.2, description="A price one unit of money higher (or lower), in units of money a member."
    )
    class_attendance_rate: Share = Field(
        0.25, description="An attendance rate 1 higher or lower, in tickets of all members."
    )
    new_members_monthly: Share = Field(
        1.0, description="Effort that brings one more member a month, in tickets."
    )
    staff_utilization_rate: Share = Field(
        0.25, description="A utilisation 1 higher or lower, in tickets of all members."
    )
    upsell_rate: Share = Field(
        0.25, description="A share 1 more (or less) of members who buy an extra, in tickets of all members."
    )
    total_classes_held: Share = Field(0.35, description="One class a month more or less, in tickets.")


class LeverCosts(PlanningTable):
    """Cost of one more unit of each lever for a month, in the data's currency; null uses the cost share."""

    retention_rate: Cost = Field(None, description="Of effort that keeps a share 1 of the members.")
    avg_ticket_price: Cost = Field(None, description="Of a price one unit of money higher or lower.")
    class_attendance_rate: Cost = Field(None, description="Of an attendance rate 1 higher or lower.")
    new_members_monthly: Cost = Field(None, description="Of effort that brings one more member a month.")
    staff_utilization_rate: Cost = Field(None, description="Of a utilisation 1 higher or lower.")
    upsell_rate: Cost = Field(None, description="Of a share 1 more or less of members who buy an extra.")
    total_classes_held: Cost = Field(None, description="Of one class a month more or less.")


class LeadTimes(PlanningTable):
    """Weeks from the decision until a change of each lever takes effect."""

    retention_rate: Weeks = Field(8.0, description="Weeks until members stay longer.")
    avg_ticket_price: Weeks = Field(4.0, description="Weeks of notice before a new price.")
    class_attendance_rate: Weeks = Field(6.0, description="Weeks until classes are fuller or emptier.")
    new_members_monthly: Weeks = Field(6.0, description="Weeks until marketing brings more members.")
    staff_utilization_rate: Weeks = Field(8.0, description="Weeks until hours are planned otherwise.")
    upsell_rate: Weeks = Field(4.0, description="Weeks until extras sell better.")
    total_classes_held: Weeks = Field(4.0, description="Weeks until the timetable changes.")


class MovementLimits(PlanningTable):
    """Largest change of each lever from its present value; null sets no limit but the lever's bounds."""

    max_retention_increase: Points = Field(0.05, description="Most that a plan raises retention, points.")
    max_retention_decrease: Points = Field(
        None, description="Most that retention may fall as a response to other changes, points."
    )
    max_ticket_increase: Amount = Field(20.0, description="Most that a plan raises the ticket, currency.")
    max_ticket_decrease: Amount = Field(0.0, description="Most that a plan lowers the ticket, currency.")
    max_attendance_increase: Points = Field(0.1, description="Most that a plan raises attendance, points.")
    max_attendance_decrease: Points = Field(0.1, description="Most that a plan lowers attendance, points.")
    max_new_members_increase: Amount = Field(
        10.0, description="Most more members that a plan has join in a month."
    )
    max_new_members_decrease: Amount = Field(
        None, description="Most fewer members that may join in a month as a response to other changes."
    )
    max_staff_utilization_increase: Points = Field(
        0.05, description="Most that a plan raises staff utilisation, points."
    )
    max_staff_utilization_decrease: Points = Field(
        0.1, description="Most that a plan lowers staff utilisation, points."
    )
    max_upsell_increase: Points = Field(0.05, description="Most that a plan raises the upsell rate, points.")
    max_upsell_decrease: Points = Field(0.0, description="Most that a plan lowers the upsell rate, points.")
    max_classes_increase: Amount = Field(
        None, description="Most more classes a month; null leaves `classes_share` (null in a request: none)."
    )
    max_classes_decrease: Amount = Field(
        None, description="Most fewer classes a month; null leaves `classes_share` (null in a request: none)."
    )


class PlanningConfig(PlanningTable):
    """Defaults of plans, which a request may override."""

    cost_shares: CostShares = CostShares()
    lever_costs: LeverCosts = LeverCosts()
    lead_time_weeks: LeadTimes = LeadTimes()
    limits: MovementLimits = MovementLimits()
    classes_share: float = Field(
        0.2, ge=0, le=10, description="Share of its present classes that a studio adds or drops at most."
    )
    low_cost_share: float = Field(
        0.25, ge=0, le=1, description="A change that costs at most this share of what it brings is low cost."
    )
    medium_cost_share: float = Field(
        0.75, ge=0, le=10, description="At most this share is medium cost; above, high."
    )
    most_alternatives: int = Field(2, ge=0, le=5, description="Alternative plans looked for.")
