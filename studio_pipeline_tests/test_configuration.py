"""Configuration: one YAML over typed defaults, and a message for each way in which it can be wrong."""

from pathlib import Path

import pytest

from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.errors import SettingsError


def test_without_a_file_the_defaults_hold() -> None:
    assert read_configuration(None) == Configuration()


def test_overrides_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text("forecasting: {xgboost: {n_trees: 11, max_depth: 3}}\ngenerator: {studios: 5}\n")
    read = read_configuration(path, {"forecasting": {"xgboost": {"n_trees": 12, "max_depth": None}}})
    assert read.forecasting.xgboost.n_trees == 12
    assert read.forecasting.xgboost.max_depth == 3
    assert read.generator.studios == 5
    assert read.forecasting.lightgbm == Configuration().forecasting.lightgbm


def test_an_empty_file_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text("# nothing\n")
    assert read_configuration(path) == Configuration()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("forecasting: {xgboost: {n_trees: 0}}", "forecasting.xgboost.n_trees"),
        ("forecasting: {xgboost: {trees: 5}}", "forecasting.xgboost.trees"),
        ("generators: {studios: 5}", "generators"),
        ("validation: {largest_rejected_share: high}", "validation.largest_rejected_share"),
        ("generator: {last_month: March}", "not a month"),
        ("- a list", "holds no fields"),
        ("a: [unclosed", "not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_field_and_remedy(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_configuration(path)
    assert part in caught.value.what
    assert str(path) in caught.value.what
    assert caught.value.remedy


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml can't be read"):
        read_configuration(tmp_path / "absent.yaml")


def test_a_wrong_override_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text("generator: {studios: 5}\n")
    with pytest.raises(SettingsError) as caught:
        read_configuration(path, {"generator": {"studios": 0}})
    assert "run config" in caught.value.what
    assert str(path) not in caught.value.what
