"""A recipe that is quick to fit: what is tested here is the way, not the model."""

from pathlib import Path

import pytest
import yaml

QUICK = {
    "forecasting": {
        "xgboost": {"n_trees": 3, "max_depth": 2},
        "lightgbm": {"n_trees": 3, "max_depth": 2},
        "random_forest": {"n_trees": 3, "max_depth": 2},
        "core": {"tuning_rounds": 1},
        "backtest": {"folds": 2, "fold_months": 4},
    }
}


@pytest.fixture(scope="session")
def quick_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configuration") / "quick.yaml"
    path.write_text(yaml.safe_dump(QUICK))
    return path
