"""What all studios of a panel share under the core: with it, the states of some studios at any month can be
reckoned again without the others, and need not be kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio_pipeline.forecasting.adjusted_flows import filtered_flows
from studio_pipeline.forecasting.core_parameters import CoreParameters
from studio_pipeline.forecasting.flows import one_flow
from studio_pipeline.forecasting.level_states import Market
from studio_pipeline.forecasting.own_smoothing import typical_losses
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

SMOOTHED_FLOWS: tuple[str, ...] = ("revenue", "members")


@dataclass(frozen=True)
class CoreMarket:
    """What the studios of one panel share in each of T months.

    Attributes:
        flows: flow to its filter's market.
        smoothing: smoothed flow to its (T, P) `typical_losses`.
    """

    flows: Mapping[str, Market]
    smoothing: Mapping[str, FloatArray]

    def until(self, n_months: int) -> CoreMarket:
        """The first months alone."""
        return CoreMarket(
            {name: market.until(n_months) for name, market in self.flows.items()},
            {name: losses[:n_months] for name, losses in self.smoothing.items()},
        )


def core_market(panel: StudioPanel, parameters: CoreParameters) -> CoreMarket:
    """The market of a panel under fitted parameters."""
    types = parameters.types_of(panel.studio_types)
    responses = parameters.responses.rows(panel.studio_ids.tolist())
    # One flow after the other: of all studios, only what they share is kept.
    flows = {name: states.market for name, states in filtered_flows(panel, parameters, types, responses)}
    smoothing = {
        name: typical_losses(
            one_flow(panel, name).values, parameters.flows[name].season[types], panel.calendar_months
        )
        for name in SMOOTHED_FLOWS
        if name in parameters.flows
    }
    return CoreMarket(flows, smoothing)
