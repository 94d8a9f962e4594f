"""A scenario's miss in parts that add up: the right one takes the blame in worlds whose truth is known."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.monitoring.accuracy.error_decomposition import (
    PARTS,
    MissSplitter,
    SavedScenario,
    as_carried_out,
    split_all,
)
from studio_pipeline.monitoring.accuracy.record import AccuracyRecord
from studio_pipeline.panel.arrays import FloatArray, StudioPanel
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel

AHEAD, STUDIO = 3, 4
NO_MISSES = AccuracyRecord().misses


@cache
def world() -> tuple[Forecaster, StudioPanel]:
    """A model of the months before the last three, and all months."""
    panel = generated_panel()
    return Forecaster(
        fit_all(panel.until(panel.n_months - 1 - AHEAD), learners=("lightgbm",)).model, panel
    ), panel


def query(**levers: float) -> ForwardQuery:
    _, panel = world()
    base = panel.months[panel.n_months - 1 - AHEAD]
    return ForwardQuery(str(panel.studio_ids[STUDIO]), base, AHEAD, levers)


def saved(asked: ForwardQuery) -> SavedScenario:
    (answer,) = world()[0].forecast([asked])
    return SavedScenario("one", "Dearer", asked, "1", answer.revenue)


def split(scenario: SavedScenario, panel: StudioPanel) -> pd.DataFrame:
    table = MissSplitter(Forecaster(world()[0].model, panel), "1").split(scenario)
    assert table[list(PARTS)].sum(axis=1).to_numpy() == pytest.approx(table["miss"].to_numpy())
    assert (table["actual"] - table["predicted"]).to_numpy() == pytest.approx(table["miss"].to_numpy())
    return table


def as_forecast(panel: StudioPanel, factor: FloatArray | float = 1.0, **levers: float) -> StudioPanel:
    """The months, the last three of every studio as forecast times a factor, one studio's under levers."""
    forecaster, _ = world()
    base = panel.months[panel.n_months - 1 - AHEAD]
    names = [str(name) for name in panel.studio_ids]
    answers = forecaster.forecast([ForwardQuery(name, base, AHEAD) for name in names])
    revenue = panel.values["total_revenue"].copy()
    revenue[:, -AHEAD:] = np.array([a.revenue for a in answers if isinstance(a, Forecast)])
    values = {name: array.copy() for name, array in panel.values.items()}
    for name, value in levers.items():
        values[name][STUDIO, -AHEAD:] = value
    if levers:
        (own,) = forecaster.forecast([query(**levers)])
        revenue[STUDIO, -AHEAD:] = own.revenue
    revenue[:, -AHEAD:] *= np.reshape(factor, (-1, 1))
    return replace(panel, values=values | {"total_revenue": revenue})


def blame(table: pd.DataFrame) -> dict[str, float]:
    return (table[list(PARTS)].sum() / table["miss"].sum()).to_dict()


def price(share: float) -> float:
    _, panel = world()
    return float(panel.values["avg_ticket_price"][STUDIO, -1 - AHEAD] * share)


def test_levers_that_were_not_carried_out_take_the_blame() -> None:
    came = as_forecast(world()[1], avg_ticket_price=price(1.0))
    parts = blame(split(saved(query(avg_ticket_price=price(1.15))), came))
    assert parts["levers"] == pytest.approx(1.0, abs=0.02)


def test_a_market_that_falls_takes_the_blame() -> None:
    came = as_forecast(world()[1], 0.8, avg_ticket_price=price(1.1))
    parts = blame(split(saved(query(avg_ticket_price=price(1.1))), came))
    assert parts["market"] == pytest.approx(1.0, abs=0.02)
    assert abs(parts["levers"]) < 0.02


def test_a_season_of_the_type_takes_the_blame() -> None:
    # Eight studios of the type are needed beside the scenario's own.
    _, panel = world()
    panel = replace(panel, studio_types=np.where(np.arange(panel.n_studios) % 2 == 0, "Yoga", "Dance"))
    factor = np.where(panel.studio_types == panel.studio_types[STUDIO], 0.8, 1.0)
    parts = blame(split(saved(query()), as_forecast(panel, factor)))
    assert parts["season"] + parts["market"] == pytest.approx(1.0, abs=0.05)
    assert parts["season"] > 0.4


def test_a_response_that_was_wrong_and_own_luck_share_what_is_left() -> None:
    scenario = saved(query(avg_ticket_price=price(1.3)))
    only_own = np.where(np.arange(world()[1].n_studios) == STUDIO, 0.8, 1.0)
    parts = blame(split(scenario, as_forecast(world()[1], only_own, avg_ticket_price=price(1.3))))
    assert 0 < parts["effect"] < 1
    assert parts["effect"] + parts["remainder"] == pytest.approx(1.0, abs=0.02)
    free = blame(split(saved(query()), as_forecast(world()[1], only_own)))
    assert free["effect"] == 0.0
    assert free["remainder"] == pytest.approx(1.0, abs=0.02)


def test_levers_as_they_were_stand_in_the_plan() -> None:
    _, panel = world()
    real = as_carried_out(query(avg_ticket_price=price(1.1), current_member_count=500.0), panel)
    prices = panel.values["avg_ticket_price"][STUDIO, -AHEAD:]
    assert [step.levers["avg_ticket_price"] for step in real.lever_plan] == pytest.approx(prices)
    members = panel.values["total_members"][STUDIO, panel.n_months - 1 - AHEAD]
    assert real.levers == {"current_member_count": members}


def test_what_the_model_can_not_answer_any_more_is_a_remainder() -> None:
    scenario = saved(query())
    impossible = replace(scenario, query=query(avg_ticket_price=1e6))
    table = split(impossible, world()[1])
    assert table["remainder"].to_numpy() == pytest.approx(table["miss"].to_numpy())


def test_a_miss_is_reckoned_once_as_long_as_its_months_stay() -> None:
    forecaster, panel = world()
    asked: list[str] = []

    def splitter(version: str) -> MissSplitter:
        asked.append(version)
        return MissSplitter(forecaster, version)

    scenario = saved(query(avg_ticket_price=price(1.1)))
    first = split_all([scenario], splitter, panel, NO_MISSES)
    again = split_all([scenario], splitter, panel, first)
    pd.testing.assert_frame_equal(first, again)
    assert asked == ["1"]
    corrected = as_forecast(panel, 0.9)
    split_all([scenario], splitter, corrected, again)
    assert asked == ["1", "1"]
    pd.testing.assert_frame_equal(split_all([], splitter, panel, first), first)
    assert split_all([scenario], splitter, panel.until(panel.n_months - 1 - AHEAD), NO_MISSES).empty
