"""Terms of one studio whose flows are written down."""

from collections.abc import Mapping

import numpy as np

from studio_pipeline.forecasting.base.flows import FLOW_LINKS
from studio_pipeline.forecasting.core.flow_terms import FlowTerms, OriginStock, flow_terms
from studio_pipeline.forecasting.core.parameters import NO_PLANNING, ClassPlanning
from studio_pipeline.forecasting.responses.responses import Responses
from studio_pipeline.panel.arrays import FloatArray

PRICE_OF_100 = {"ticket": np.log(100.0), "realisation": 0.0}


def one_studio(
    flows: Mapping[str, float | FloatArray],
    responses: Responses | None = None,
    planning: ClassPlanning = NO_PLANNING,
    *,
    rest: float = np.nan,
    members: float = 200.0,
    seats: float = np.nan,
    attendance: float = np.nan,
    base_month: int = 600,
) -> FlowTerms:
    """Twelve months of a studio.

    Args:
        flows: flow to its value on its own scale, of all months or of each.
        rest: value of every other flow; NaN for flows that the data lack.
        seats: of a class.
        attendance: rate of the base month.
    """
    paths = {name: np.full((1, 12), rest) for name in FLOW_LINKS}
    paths |= {name: np.broadcast_to(values, (1, 12)) for name, values in flows.items()}
    stock = (np.array([value]) for value in (members, seats, attendance, base_month))
    of_studio = (responses or Responses({})).rows(["one"])
    return flow_terms(paths, OriginStock(*stock), of_studio, planning)
