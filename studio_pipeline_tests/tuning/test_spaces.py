"""Where the search looks: within what the classes allow, around the defaults, never at what a person set."""

import pytest

from studio_pipeline.forecasting.base.hyperparameters import LEARNERS, ForecastingConfig
from studio_pipeline.tuning.spaces import (
    SPACES,
    origin_in_words,
    origin_table,
    space_of,
    values_in,
    with_values,
)

DEFAULTS = ForecastingConfig()


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("end", ["low", "high"])
def test_every_range_is_allowed_holds_the_default_and_is_not_left(learner: str, end: str) -> None:
    space = space_of(learner, DEFAULTS)
    assert space == SPACES[learner]
    ends = {name: getattr(found, end) for name, found in space.items()}
    changed = getattr(with_values(DEFAULTS, learner, ends), learner)
    assert changed.model_dump() == ends
    defaults = getattr(DEFAULTS, learner).model_dump()
    assert values_in(space, defaults) == defaults
    beyond = {name: found.high * 9 + 1 for name, found in space.items()}
    assert values_in(space, beyond | {"unknown": 1.0}) == {name: found.high for name, found in space.items()}


def test_what_is_set_by_name_is_not_searched() -> None:
    given = ForecastingConfig.model_validate({"xgboost": {"max_depth": 3, "n_trees": 10}})
    assert set(SPACES["xgboost"]) - set(space_of("xgboost", given)) == {"max_depth", "n_trees"}
    assert space_of("lightgbm", given) == SPACES["lightgbm"]


def test_a_default_outside_the_range_widens_it() -> None:
    odd = type(DEFAULTS.xgboost).model_construct(set(), **(DEFAULTS.xgboost.model_dump() | {"l2": 0.0}))
    found = space_of("xgboost", DEFAULTS.model_copy(update={"xgboost": odd}))["l2"]
    assert (found.low, found.is_log) == (0.0, False)


def test_where_each_value_comes_from() -> None:
    untuned = ForecastingConfig.model_validate({"xgboost": {"max_depth": 5}})
    used = with_values(untuned, "xgboost", {"l2": 3.0})
    table = origin_table(used, untuned, "xgboost").set_index("hyperparameter")
    assert table["comes_from"].drop(["max_depth", "l2"]).eq("default").all()
    assert table.loc["max_depth", "comes_from"] == "configured"
    assert table.loc["l2"].to_dict() == {"value": 3.0, "comes_from": "tuned", "untuned": 200.0}
    words = origin_in_words(table.reset_index())
    assert words == "l2: tuned; max_depth: configured; all others: default"
    assert origin_in_words(origin_table(DEFAULTS, DEFAULTS, "xgboost")) == "all as by default"
