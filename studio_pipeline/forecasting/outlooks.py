"""An answer together with what its uncertainty is made of, for questions about several answers at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio_pipeline.forecasting.joint_paths import Projected
from studio_pipeline.forecasting.queries import Forecast
from studio_pipeline.panel.arrays import FloatArray


@dataclass(frozen=True)
class Outlook:
    """A forecast over h months, and how it is uncertain.

    Attributes:
        forecast: the answer.
        projected: its revenue with deviations, given levers carried out exactly.
        scale: (h,) deviation of the log errors, given levers carried out as they are.
        responses: flow and regressor to (h,) currency that one standard error of the response moves.
        execution: lever to (h,) currency that carrying it out one deviation off moves.
        has_levers: whether any lever is given.
    """

    forecast: Forecast
    projected: Projected
    scale: FloatArray
    responses: Mapping[tuple[str, str], FloatArray]
    execution: Mapping[str, FloatArray]
    has_levers: bool

    def uncertain(self) -> Projected:
        """The revenue with deviations, given levers carried out as they are."""
        return Projected(self.projected.revenue, self.scale, self.projected.common)
