"""Decomposition of a saved scenario's error: levers, season, market, effect of levers, remainder.

For each month of a scenario that has arrived, actual less predicted revenue is split sequentially, each step
starting where the one before ended, so that the parts add up by construction:

    predicted   the saved answer
    levers      the same request forecast with its actual levers, less with the planned ones
    season      median error of the other studios of the type in that month, beyond that of all other studios:
                seasons are fitted by type
    market      median error of all other studios in that month, with levers free, at the same base month
    effect      the share of the remaining error that is due to uncertain lever responses:
                variance of the responses / (that variance + variance of the studio's own error)
    remainder   the rest: the studio's own noise, months corrected since, a model version that is gone

Levers come first, as they are known; errors common to other studios come next, as the scenario's studio does
not contribute to them. The share of the effect is its conditional mean if both errors are normal: where the
responses are well estimated, little of the error is attributed to them. A seasonal error common to all types
is indistinguishable from the market and counts there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from studio_pipeline.errors import QueryError, ReleaseError
from studio_pipeline.forecasting.base.bounds import START_LEVER
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverStep
from studio_pipeline.forecasting.forecaster.forecast_uncertainty import UncertainForecast
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.forecaster.requests import lever_lists
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline.panel.columns import LEVER_COLUMNS
from studio_pipeline.panel.frames import stacked_tables
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder

PARTS: tuple[str, ...] = ("levers", "season", "market", "effect", "remainder")
DESCRIPTIONS: dict[str, str] = {
    "scenario_id": "The saved scenario.",
    "name": "As it was saved.",
    "studio_id": "Its studio.",
    "base_month": "The last known month of the answer.",
    "month_year": "A forecast month that has arrived.",
    "model_version": "The model that the parts come from.",
    "predicted": "Revenue of the saved answer, currency.",
    "actual": "What happened, currency.",
    "miss": "Actual less predicted; the parts add up to it.",
    "levers": "Of levers that were not what was planned, currency.",
    "season": "Of the season of the studio's type, currency.",
    "market": "Of what all studios missed, currency.",
    "effect": "Of how members respond to levers, currency.",
    "remainder": "The rest, currency.",
}
MISS_TYPES: dict[str, str] = {
    **dict.fromkeys(DESCRIPTIONS, "float64"),
    **dict.fromkeys(("scenario_id", "name", "studio_id", "model_version"), "object"),
    **dict.fromkeys(("base_month", "month_year"), "datetime64[ns]"),
}
_FEWEST_OTHERS = 8
_MOST_OTHERS = 1000


@dataclass(frozen=True)
class SavedScenario:
    """One saved scenario, with its request, the model that answered, and (H,) revenue of the answer."""

    scenario_id: str
    name: str
    query: ForwardQuery
    model_version: str
    predicted: FloatArray


class MissSplitter:
    """Splits errors of scenarios with a model version's forecaster on the months that have arrived."""

    def __init__(self, forecaster: Forecaster, model_version: str) -> None:
        self._forecaster, self._version = forecaster, model_version
        self._free: dict[np.datetime64, tuple[list[int], FloatArray]] = {}

    def split(self, scenario: SavedScenario) -> pd.DataFrame:
        """Split a scenario's error, a row a month that has arrived; columns as `DESCRIPTIONS`.

        If the model can't answer the request any more, the whole error is the remainder.
        """
        panel, query = self._forecaster.panel, scenario.query
        row, base = panel.rows[query.studio_id], panel.column_of(_base(query))
        actual = panel.values["total_revenue"][row, base + 1 : base + 1 + len(scenario.predicted)]
        miss = actual - scenario.predicted[: len(actual)]
        try:
            parts = self._parts(query, row, actual)
        except QueryError:
            parts = {name: np.zeros(len(actual)) for name in PARTS[:-1]}
        parts["remainder"] = miss - sum(parts.values())
        months = _base(query) + np.arange(1, len(actual) + 1)
        table = pd.DataFrame(
            {
                "scenario_id": scenario.scenario_id,
                "name": scenario.name,
                "studio_id": query.studio_id,
                "base_month": _base(query).astype("datetime64[ns]"),
                "month_year": months.astype("datetime64[ns]"),
                "model_version": self._version,
                "predicted": scenario.predicted[: len(actual)],
                "actual": actual,
                "miss": miss,
                **parts,
            }
        )[list(DESCRIPTIONS)]
        return pd.DataFrame(table[np.isfinite(table["actual"].to_numpy())])

    def _parts(self, query: ForwardQuery, row: int, actual: FloatArray) -> dict[str, FloatArray]:
        planned, real = self._forecaster.outlooks([query, as_carried_out(query, self._forecaster.panel)])
        months = len(actual)
        as_planned, as_was = (o.forecast.revenue[:months] for o in (planned, real))
        market, of_type = (errors[:months] for errors in self._common(_base(query), row))
        season, market = as_was * (of_type - market), as_was * market
        left = actual - (as_was + season + market)
        return {
            "levers": as_was - as_planned,
            "season": season,
            "market": market,
            "effect": left * _response_share(real, months),
        }

    def _common(self, base: np.datetime64, row: int) -> tuple[FloatArray, FloatArray]:
        """(12,) median relative errors of all studios except one, and of those of its type."""
        if base not in self._free:
            self._free[base] = _free_misses(self._forecaster, base)
        rows, misses = self._free[base]
        others, types = np.array(rows) != row, self._forecaster.panel.studio_types
        market = _median(misses[others], np.zeros(12))
        return market, _median(misses[others & (types[rows] == types[row])], market)


def as_carried_out(query: ForwardQuery, panel: StudioPanel) -> ForwardQuery:
    """The query with the actual value of each given lever; the planned one where the actual is unknown."""
    row, base = panel.rows[query.studio_id], panel.column_of(_base(query))

    def actual(name: str, column: int, planned: float) -> float:
        values = panel.values[LEVER_COLUMNS[name]][row]
        known = column < len(values) and np.isfinite(values[column])
        return float(values[column] if known else planned)

    steps, lists = [], lever_lists(query)
    for month in range(query.projection_months):
        then = {
            name: actual(name, base + 1 + month, path[month])
            for name, path in lists.items()
            if name != START_LEVER and np.isfinite(path[month])
        }
        if then:
            steps.append(LeverStep(month + 1, then))
    start = {name: actual(name, base, value) for name, value in query.levers.items() if name == START_LEVER}
    return replace(query, levers=start, lever_plan=tuple(steps))


def _response_share(outlook: UncertainForecast, months: int) -> FloatArray:
    """(M,) share, 0..1, of a forecast's error variance that is due to uncertain responses."""
    if not outlook.has_levers:
        return np.zeros(months)
    responses = sum(
        (np.asarray(moved)[:months] ** 2 for moved in outlook.responses.values()), np.zeros(months)
    )
    total = responses + (outlook.projected.revenue * outlook.projected.scale)[:months] ** 2
    return np.divide(responses, total, out=np.zeros(months), where=total > 0)


def split_all(
    scenarios: Sequence[SavedScenario],
    splitter_of: Callable[[str], MissSplitter],
    panel: StudioPanel,
    known: pd.DataFrame,
) -> pd.DataFrame:
    """Split the errors of many scenarios, each with the splitter of its model version.

    Of the earlier results in `known`, those with the same months are reused, and those of others kept.
    """
    tables = []
    for scenario in scenarios:
        before = known[known["scenario_id"] == scenario.scenario_id]
        arrived = _arrived(scenario, panel)
        if not arrived.size:
            continue
        same = len(before) == len(arrived) and np.allclose(np.sort(before["actual"]), np.sort(arrived))
        tables.append(before if same else splitter_of(scenario.model_version).split(scenario))
    seen = {scenario.scenario_id for scenario in scenarios}
    return stacked_tables([*tables, known[~known["scenario_id"].isin(seen)]], MISS_TYPES)


def _arrived(scenario: SavedScenario, panel: StudioPanel) -> FloatArray:
    """Revenue of the scenario's months that have arrived; none if its base month is missing."""
    row, base = panel.rows.get(scenario.query.studio_id), panel.column_of(_base(scenario.query))
    if row is None or not 0 <= base < panel.n_months or not panel.known[row, base]:
        return np.array([])
    then = panel.values["total_revenue"][row, base + 1 : base + 1 + len(scenario.predicted)]
    return np.asarray(then[np.isfinite(then)])


def _free_misses(forecaster: Forecaster, base: np.datetime64) -> tuple[list[int], FloatArray]:
    """Rows of studios with that base month, and (N, 12) relative errors of free forecasts; NaN if unknown."""
    panel = forecaster.panel
    column = panel.column_of(base)
    rows = np.flatnonzero(panel.known[:, column])
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_OTHERS)).astype(np.int64)]
    queries = [
        ForwardQuery(str(panel.studio_ids[row]), base_month=base, projection_months=12) for row in rows
    ]
    kept, misses = [], []
    for row, answer in zip(rows.tolist(), forecaster.forecast(queries), strict=True):
        if isinstance(answer, Forecast):
            then = panel.values["total_revenue"][row, column + 1 : column + 13]
            then = np.pad(then, (0, 12 - len(then)), constant_values=np.nan)
            with np.errstate(divide="ignore", invalid="ignore"):
                misses.append(np.where(answer.revenue > 0, then / answer.revenue - 1, np.nan))
            kept.append(row)
    return kept, np.array(misses).reshape(len(kept), 12)


def _median(misses: FloatArray, otherwise: FloatArray) -> FloatArray:
    """(12,) median of (N, 12) over known values; `otherwise` where fewer than eight are known."""
    counts = np.isfinite(misses).sum(0)
    answer = np.array(otherwise)
    for place in np.flatnonzero(counts >= _FEWEST_OTHERS):
        column = misses[:, place]
        answer[place] = np.median(column[np.isfinite(column)])
    return answer


def _base(query: ForwardQuery) -> np.datetime64:
    """The base month, which a saved scenario always has."""
    if query.base_month is None:
        raise ValueError("a saved scenario has a base month")
    base: np.datetime64 = query.base_month.astype("datetime64[M]")
    return base


def splitters(home: Path, current_version: str, panel: StudioPanel) -> Callable[[str], MissSplitter]:
    """Build a function from model version to splitter; the current version's if a bundle is gone or corrupt.

    Each bundle is loaded once, when a scenario first needs it; the panel holds the months that have arrived.
    """

    @cache
    def of_version(version: str) -> MissSplitter:
        model = StudioModel.load(model_folder(home, version))
        return MissSplitter(Forecaster(model, panel), version)

    def splitter(version: str) -> MissSplitter:
        try:
            verify_folder(model_folder(home, version))
        except ReleaseError:
            return of_version(current_version)
        return of_version(version)

    return splitter
