"""Effects of levers against the truth: who knows it scores 0, who sees none scores 1; others are left."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.evaluation.levers.lever_text import effects_in_words, sweep_in_words
from studio_pipeline.evaluation.levers.true_effects import (
    ERROR_COLUMNS,
    UNKNOWN_TRUTH,
    effect_errors,
    effects_summary,
    sampled_panel,
    true_effects,
)
from studio_pipeline.evaluation.metrics.schemas import EFFECTS
from studio_pipeline.evaluation.report.tables import (
    effects_table,
    responses_table,
    sweep_table,
    weights_table,
)
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.panel.generator.months import (
    CHANGED_LEVERS,
    expected_interventions,
    generate_months,
    partial_interventions,
)
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.forecasting.fleets import months_changed, small_fleet

OPTIONS = GeneratorConfig(studios=6, months=30)


@pytest.fixture(scope="module")
def panel() -> StudioPanel:
    return panel_from_frame(generate_months(OPTIONS))


class Oracle:
    """Answers with the true means, or with those under no lever at all."""

    def __init__(self, panel: StudioPanel, *, sees_levers: bool) -> None:
        self.panel, self.sees_levers = panel, sees_levers

    def forecast(self, queries: list[ForwardQuery]) -> list[Forecast]:
        levers: Mapping[str, Any] = {}
        if self.sees_levers and queries[0].levers:
            (lever,) = queries[0].levers
            levers = {lever: np.array([query.levers[lever] for query in queries])}
        options = OPTIONS.model_copy(update={"studios": len(queries)})
        [means] = expected_interventions(options, OPTIONS.last_month, 12, [levers], draws=20)
        wide = means.pivot_table(index="studio_id", columns="horizon", values="revenue_mean").to_numpy()
        month, unknown = np.datetime64(OPTIONS.last_month), float("nan")
        months = [[(revenue, unknown, unknown) for revenue in row] for row in wide.tolist()]
        rest = ({}, [unknown] * 12, {}, 0.9, {}, ())
        return [Forecast(query.studio_id, month, 30, months[k], *rest) for k, query in enumerate(queries)]


def effects_of(panel: StudioPanel, *, sees_levers: bool) -> pd.DataFrame:
    oracle = cast("Forecaster", Oracle(panel, sees_levers=sees_levers))
    return true_effects(oracle, OPTIONS, studios=4, futures=20)


def test_who_knows_the_truth_is_right(panel: StudioPanel) -> None:
    effects = effects_of(panel, sees_levers=True)
    EFFECTS.validate(effects, lazy=True)
    assert len(effects) == len(CHANGED_LEVERS) * 4 * 12
    errors = effect_errors(effects)
    assert list(errors) == list(ERROR_COLUMNS)
    assert errors["effect_wape"].to_numpy() == pytest.approx(np.zeros(5), abs=1e-9)
    assert (errors["sign_share"] == 1).all()
    assert effects_summary(effects)["effects_partial"] == pytest.approx(0, abs=1e-9)


def test_who_sees_no_effect_scores_one(panel: StudioPanel) -> None:
    summary = effects_summary(effects_of(panel, sees_levers=False))
    assert summary["effects_partial"] == pytest.approx(1)
    assert summary["signs_partial"] == 0
    own = {f"effect_{name}" for name in CHANGED_LEVERS}
    assert set(summary) == {"effects_partial", "signs_partial"} | own


def test_errors_by_hand(effects: pd.DataFrame) -> None:
    errors = effect_errors(effects).set_index("intervention")
    price, classes = errors.loc["price_up_10"], errors.loc["classes_up_25"]
    assert price["effect_wape"] == pytest.approx(0.25)
    assert (price["true_share"], price["predicted_share"]) == (pytest.approx(0.04), pytest.approx(0.05))
    assert price["sign_share"] == 1
    assert classes["effect_wape"] == pytest.approx(1)
    # An effect of half a per cent is too small for its sign to count.
    assert np.isnan(classes["sign_share"])
    assert effects_summary(effects)["effects_partial"] == pytest.approx(0.625)


def test_only_the_generator_s_own_months_have_a_truth(panel: StudioPanel) -> None:
    sample = OPTIONS.model_copy(update={"studios": 3})
    found = sampled_panel(panel, sample)
    assert list(found.studio_ids) == list(panel.studio_ids[:3])
    assert sampled_panel(panel, sample.model_copy(update={"seed": 8})) is None
    assert sampled_panel(panel, sample.model_copy(update={"months": 31})) is None
    assert sampled_panel(panel.select(slice(1, None)), sample) is None
    assert sampled_panel(months_changed(panel, "total_revenue", slice(5, 6), 1.01), sample) is None


def test_other_months_are_skipped_with_the_reason(panel: StudioPanel) -> None:
    other = months_changed(panel, "total_revenue", slice(5, 6), 1.01)
    effects = effects_of(other, sees_levers=True)
    assert effects.empty
    assert list(effects) == list(EFFECTS.columns)
    EFFECTS.validate(effects, lazy=True)
    assert effects_summary(effects) == {}
    assert effects_in_words(effects) == [UNKNOWN_TRUTH]
    assert effects_table(effects).rows == []


def test_a_fitted_model_is_asked(panel: StudioPanel) -> None:
    fleet = small_fleet()
    effects = true_effects(Forecaster(fleet.model, panel), OPTIONS, studios=5, futures=10)
    errors = effect_errors(effects).set_index("intervention")
    assert errors.loc["retention_up_2", "studios"] == 5
    assert errors.loc["retention_up_2", "sign_share"] == 1
    assert 0 < errors.loc["retention_up_2", "effect_wape"] < 1


def test_interventions_change_one_lever_within_its_bounds() -> None:
    now = {
        "avg_ticket_price": np.array([100.0, 480.0]),
        "retention_rate": np.array([0.9, 0.995]),
        "new_members_monthly": np.array([10.0, 90.0]),
        "total_classes_held": np.array([101.0, 120.0]),
    }
    plans = partial_interventions(now)
    changed = {name: [*levers] for name, levers in plans.items()}
    assert changed == {name: [lever] for name, lever in CHANGED_LEVERS.items()}
    assert plans["price_up_10"]["avg_ticket_price"] == pytest.approx([110.0, 500.0])
    assert plans["retention_up_2"]["retention_rate"] == pytest.approx([0.92, 1.0])
    assert plans["new_up_25"]["new_members_monthly"].tolist() == [12.0, 100.0]
    assert plans["classes_up_25"]["total_classes_held"].tolist() == [126.0, 150.0]


def test_words_and_tables_say_what_the_numbers_say(effects, sweep, responses, weights) -> None:
    first, second = effects_in_words(effects)
    assert "For 4 studios" in first
    assert "off by 62 % of the true one" in first
    assert "most right for price +10 % (25 % off) and least for classes +25 % (100 % off)" in second
    (first_row, *_) = effects_table(effects).rows
    assert list(first_row) == ["price +10 %", "4", "+5.0 %", "+4.0 %", "25 %", "100 %"]
    typical, strongest, missing = sweep_in_words(sweep)
    assert typical.startswith("The typical studio is s1")
    assert "expected to take in 220k" in typical
    assert "most with ticket price (60k) and retention rate (20k)" in strongest
    assert "upsell rate" in missing
    assert list(sweep_table(sweep).rows[1][1:]) == ["90", "180k", "110", "220k", "120", "240k"]
    assert responses_table(responses).rows[0][2:5] == ["-0.80", "-1.10", "-0.50"]
    core, *_ = weights_table(weights, "revenue").rows
    assert core == ["stock-and-flow core", *["50 %"] * 12]
    forest = [row for row in weights_table(weights, "revenue").rows if row[0] == "random forest"]
    assert forest == [["random forest", *["\N{EN DASH}"] * 12]]
