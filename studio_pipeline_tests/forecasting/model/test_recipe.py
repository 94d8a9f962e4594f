"""A recipe: equal ones have equal versions, any change shows, and it survives a bundle."""

import json
from dataclasses import replace

import pytest

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.model.studio_model import FITTING_CODE, VERSION_LENGTH, Recipe

RECIPE = Recipe(ForecastingConfig())


def test_equal_recipes_have_equal_versions() -> None:
    again = Recipe.from_json(json.loads(json.dumps(RECIPE.to_json())))
    assert again == RECIPE
    assert again.version == RECIPE.version
    assert len(RECIPE.version) == VERSION_LENGTH
    assert RECIPE.obstacle == ""


def test_every_part_shows_in_the_version() -> None:
    others = [
        Recipe(ForecastingConfig(seed=8)),
        Recipe(ForecastingConfig.model_validate({"xgboost": {"n_trees": 61}})),
        Recipe(ForecastingConfig.model_validate({"backtest": {"folds": 4}})),
        replace(RECIPE, features=RECIPE.features[1:]),
        replace(RECIPE, features=RECIPE.features[::-1]),
        replace(RECIPE, fitting_code=FITTING_CODE + 1),
    ]
    assert len({one.version for one in (RECIPE, *others)}) == len(others) + 1


def test_what_this_program_cannot_fit_says_why() -> None:
    assert "code version 0" in replace(RECIPE, fitting_code=0).obstacle
    assert "other features" in replace(RECIPE, features=("age",)).obstacle


def test_a_field_that_came_later_has_its_default() -> None:
    content = RECIPE.to_json()
    del content["forecasting"]["weights"]["horizon_bandwidth"]
    assert Recipe.from_json(content).version == RECIPE.version


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"forecasting": {"gone": 1}, "features": [], "fitting_code": 1},
        RECIPE.to_json() | {"fitting_code": "x"},
    ],
)
def test_what_is_no_recipe_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(CorruptReleaseError, match="can't be read"):
        Recipe.from_json(content)
