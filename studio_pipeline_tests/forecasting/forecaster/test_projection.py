"""One studio on plain numbers and many on arrays are the same projection; what is prepared is not stale."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.errors import BaseMonthError
from studio_pipeline.forecasting.base.bounds import LEVER_BOUNDS
from studio_pipeline.forecasting.base.flows import TARGETS
from studio_pipeline.forecasting.base.queries import Forecast, ForwardQuery, LeverStep
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES
from studio_pipeline.forecasting.features.feature_matrix import RowArray
from studio_pipeline.forecasting.forecaster.forecaster import Forecaster
from studio_pipeline.forecasting.learners import onnx_ensemble as onnx_sessions
from studio_pipeline_tests.forecasting.fleets import ALL_EIGHT, answered, assert_same, small_fleet

LEVER_VALUES = {lever: st.floats(ends.low, min(ends.high, 2000.0)) for lever, ends in LEVER_BOUNDS.items()}
HELD = {lever: values for lever, values in LEVER_VALUES.items() if lever != "current_member_count"}


@given(
    row=st.sampled_from([None, 0, 1, 2, 3, 5, 7, 11]),
    levers=st.fixed_dictionaries({}, optional=LEVER_VALUES),
    step=st.tuples(st.integers(1, 12), st.fixed_dictionaries({}, optional=HELD)),
    ago=st.integers(0, 3),
    uncertainty=st.sampled_from([0.0, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_alone_and_in_a_batch_is_the_same_answer(
    forecaster: Forecaster,
    row: int | None,
    levers: dict[str, float],
    step: tuple[int, dict[str, float]],
    ago: int,
    uncertainty: float,
) -> None:
    panel = forecaster.panel
    if row is None:
        name, month, levers = "new", panel.months[-1], ALL_EIGHT | levers
    else:
        name, month = str(panel.studio_ids[row]), panel.months[panel.last_months[row] - ago]
    plan = (LeverStep(*step),) if step[1] else ()
    query = ForwardQuery(name, month, 12, levers, plan, (0.9, 0.5), compare_to_status_quo=row is not None)
    query = replace(query, execution_uncertainty=uncertainty)
    others = [
        ForwardQuery(str(panel.studio_ids[8]), None, 12, {"upsell_rate": 0.2}),
        ForwardQuery(str(panel.studio_ids[4])),
    ]
    alone = forecaster.forecast([query])[0]
    # So few are answered on plain numbers, each projected by itself; so many on arrays.
    for n_more in (1, 6, 20):
        batched = forecaster.forecast([others[0], query, others[1], *[query] * n_more])[1]
        assert type(alone) is type(batched)
        if isinstance(alone, Forecast) and isinstance(batched, Forecast):
            assert_same(alone, batched)
            assert batched.warnings == alone.warnings


def test_a_month_asked_again_is_answered_alike_whatever_came_between(forecaster: Forecaster) -> None:
    panel = forecaster.panel
    query = ForwardQuery(str(panel.studio_ids[0]), panel.months[15], 12, {"retention_rate": 0.9})
    (first,) = answered(forecaster, [query])
    rows = [0, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    between = [ForwardQuery(str(panel.studio_ids[r]), m) for m in panel.months[3:38] for r in rows]
    answered(forecaster, between)
    assert_same(first, answered(forecaster, [query])[0], rtol=1e-11)


def test_what_is_prepared_is_told(forecaster: Forecaster) -> None:
    forecaster = Forecaster(forecaster.model, forecaster.panel)
    studio, month = str(forecaster.panel.studio_ids[8]), forecaster.panel.months[20]
    assert forecaster.is_prepared(ForwardQuery(studio))
    assert not forecaster.is_prepared(ForwardQuery("new"))
    older = ForwardQuery(studio, month)
    assert not forecaster.is_prepared(older)
    answered(forecaster, [older])
    assert forecaster.is_prepared(older)
    with pytest.raises(BaseMonthError):
        forecaster.is_prepared(ForwardQuery(studio, forecaster.panel.months[-1] + 1))


LATER = {name: ALL_EIGHT[name] for name in HELD} | {"staff_utilization_rate": 0.97}


@pytest.mark.parametrize("levers", [*({name: value} for name, value in LATER.items()), LATER], ids="+".join)
def test_a_plan_moves_the_months_from_its_step_on_alone(
    forecaster: Forecaster, levers: dict[str, float]
) -> None:
    """Those before it are the free forecast's, bit for bit; every learner has a weight here."""
    names = [str(forecaster.panel.studio_ids[row]) for row in (0, 1, 2, 7, 8)]
    free = answered(forecaster, [ForwardQuery(name, projection_months=12) for name in names])
    plan = (LeverStep(4, levers),)
    responds = forecaster.model.core.responses.slope("retention", "overwork") != 0
    asked = [ForwardQuery(name, projection_months=12, lever_plan=plan) for name in names]
    for planned in (answered(forecaster, asked), [answered(forecaster, [q])[0] for q in asked]):
        for without, given_plan in zip(free, planned, strict=True):
            for path in ("revenue", "member_count", "retention_rate"):
                assert getattr(given_plan, path)[:3].tobytes() == getattr(without, path)[:3].tobytes()
            moved = given_plan.revenue[3:] != without.revenue[3:]
            assert moved.any() or ("staff_utilization_rate" in levers and not responds)
            assert moved.all() or levers is not LATER


def test_learners_are_asked_under_the_levers() -> None:
    """What a learner adds depends on the levers, not on the free forecast alone."""
    model, panel = small_fleet().model_of_all, small_fleet().panel

    def weighing(**shares: float) -> Forecaster:
        weights = np.zeros_like(model.weights["revenue"])
        for candidate, share in shares.items():
            weights[:, CANDIDATES.index(candidate)] = share
        return Forecaster(replace(model, weights=dict.fromkeys(TARGETS, weights)), panel)

    names, added = [str(n) for n in panel.studio_ids[7:]], []
    for levers in ({}, {"new_members_monthly": 30.0, "upsell_rate": 0.3}):
        asked = [ForwardQuery(n, projection_months=12, levers=levers) for n in names]
        both = (
            answered(weighing(**shares), asked) for shares in ({"core": 0.2, "lightgbm": 0.8}, {"core": 1.0})
        )
        added.append(np.stack([a.revenue / b.revenue for a, b in zip(*both, strict=True)]))
    assert not np.allclose(added[0], added[1], rtol=1e-6)


def test_a_request_runs_the_learners_once_and_a_model_without_any_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []
    original = onnx_sessions.session_of

    class Counted:
        def __init__(self, graph: bytes) -> None:
            self._session = original(graph)

        def run(self, names: None, inputs: dict[str, RowArray]) -> list[RowArray]:
            runs.append(len(inputs["features"]))
            return list(self._session.run(names, inputs))

    monkeypatch.setattr(onnx_sessions, "session_of", Counted)
    panel = small_fleet().panel
    model = small_fleet().model_of_all
    queries = [
        ForwardQuery(str(n), projection_months=3, levers={"upsell_rate": 0.2}) for n in panel.studio_ids[7:]
    ]
    for graphs, expected in ((model.graphs, [12, 12 * len(queries)]), (None, [])):
        forecaster = Forecaster(replace(model, graphs=graphs), panel)
        runs.clear()
        answered(forecaster, queries[:1])
        answered(forecaster, queries)
        answered(forecaster, [ForwardQuery(queries[0].studio_id)])
        assert runs == expected
