"""Interface of a forecaster for plans, comparisons and insights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from studio_pipeline.errors import QueryError
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.core.core_view import CoreView
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.forecaster.projection import StudioOrigin
from studio_pipeline.forecasting.intervals.interval_tables import IntervalTables
from studio_pipeline.panel.arrays import StudioPanel


class PlanningForecaster(Protocol):
    """A forecaster on a panel; methods as of `forecasting.forecaster.forecaster.Forecaster`."""

    @property
    def panel(self) -> StudioPanel:
        """The months of all studios."""

    @property
    def interval_tables(self) -> IntervalTables:
        """Interval tables of its model."""

    def forecast(self, queries: Sequence[ForwardQuery]) -> Sequence[Forecast | QueryError]:
        """One answer or error per query, in order."""

    def outlooks(self, queries: Sequence[ForwardQuery]) -> Sequence[UncertainForecast]:
        """One uncertain forecast per query, in order."""

    def core_view(self, query: ForwardQuery) -> CoreView:
        """The core's view of a query's base month and of the months after it."""

    def origin(self, query: ForwardQuery) -> StudioOrigin:
        """The studio of a query at its base month."""
