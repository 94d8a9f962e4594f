"""A forecaster that is quick and plain: its figures tell which model and which data made them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn

import numpy as np

from studio_pipeline.errors import BaseMonthError, LeverError, QueryError, UnknownStudioError
from studio_pipeline.forecasting.base.bounds import check_lever_plan, check_levers
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverEffect, StatusQuo
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import ForecastSum
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel

STUDIOS = ("chain-a-1", "chain-a-2", "chain-b-1")


class FakeModel:
    """A model of three features."""

    feature_names = ("one", "two", "three")


class FakeForecaster:
    """Revenue of every month: 1000 x the model's number + the data's number."""

    def __init__(self, model_number: int, panel: StudioPanel) -> None:
        self.model_number = model_number
        self.model = FakeModel()
        self.panel = panel

    def forecast(self, queries: Sequence[ForwardQuery]) -> list[Forecast | QueryError]:
        return [self._answer(query) for query in queries]

    def is_prepared(self, query: ForwardQuery) -> bool:
        return query.base_month is None

    def summed(self, forecasts: Sequence[Forecast], level: float) -> ForecastSum:
        """Of answers over the same months."""
        revenue = np.sum([forecast.revenue for forecast in forecasts], axis=0)
        total = float(revenue.sum())
        return ForecastSum(
            months=forecasts[0].base_month + 1 + np.arange(len(revenue)),
            answers=np.full(len(revenue), len(forecasts)),
            studios=len({forecast.studio_id for forecast in forecasts}),
            revenue=revenue,
            intervals=np.stack([revenue - level, revenue + level], axis=1),
            total_interval=(total - level, total + level),
        )

    def origin(self, query: ForwardQuery) -> NoReturn:
        raise LeverError(
            f"No plan can be made for studio {query.studio_id!r}: this is a fake.", "Ask a model."
        )

    def _answer(self, query: ForwardQuery) -> Forecast | QueryError:
        if query.studio_id == "bug":
            raise ZeroDivisionError("a secret of the stack")
        row = self.panel.rows.get(query.studio_id)
        if row is None:
            return UnknownStudioError(f"There is no studio {query.studio_id!r}.", "Give all eight levers.")
        last = self.panel.months[self.panel.last_months[row]]
        if query.base_month is not None and query.base_month > last:
            return BaseMonthError(f"{query.studio_id} has months up to {last}.", "Use one of them.")
        try:
            check_levers(query.levers)
            check_lever_plan(query.lever_plan, query.projection_months)
        except LeverError as error:
            return error
        months = query.projection_months
        revenue = float(1000.0 * self.model_number + self.panel.values["total_revenue"][row, -1])
        members, retention = (float("nan"), float("nan")) if query.studio_id == "chain-b-1" else (250.0, 0.9)
        total = months * revenue
        return Forecast(
            studio_id=query.studio_id,
            base_month=query.base_month or last,
            history_months=int(self.panel.known[row].sum()),
            months=[(revenue, members, retention)] * months,
            bounds=dict.fromkeys(query.interval_levels, [(revenue - 5, revenue + 5)] * months),
            chances=[0.8] * months,
            total_intervals=dict.fromkeys(query.interval_levels, (total - 9, total + 9)),
            prediction_accuracy=0.95,
            lever_effects={"avg_ticket_price": LeverEffect(-0.9, 0.1, studio_share=1.0)}
            if query.levers
            else {},
            warnings=("A warning.",),
            status_quo=StatusQuo(1.0, 2.0, (1.0, 3.0)) if query.compare_to_status_quo else None,
        )


def load_fake(bundle: Path, panel: StudioPanel) -> FakeForecaster:
    return FakeForecaster(json.loads((bundle / "model.json").read_text())["number"], panel)


def fake_panel(number: int) -> StudioPanel:
    values = {name: np.full((len(STUDIOS), 24), float(number)) for name in NUMERIC_COLUMNS}
    values["total_members"][2] = np.nan
    values["total_revenue"][1, :6] = np.nan
    return StudioPanel(
        np.array(STUDIOS), np.array(["Yoga", "Dance", ""]), np.datetime64("2020-01", "M"), values
    )


def publish_fake(home: Path, model_number: int, data_number: int = 7) -> Release:
    """Publish a release of a fake model and a panel; a bundle that is there already is used again."""
    version = str(model_number)
    if not (home / "models" / version).exists():
        content = json.dumps({"number": model_number})
        details = {"run_id": f"run-{version}"}
        write_bundle(home, version, lambda folder: (folder / "model.json").write_text(content), details)
    data_version = write_panel(home, fake_panel(data_number))
    moment = datetime(2022, 1, 3, 4, 5, tzinfo=UTC)
    release = Release(
        version, data_version, "landing", date(2021, 12, 1), f"run-{version}", moment, {"wape": 0.03}
    )
    return publish_release(home, release)
