"""One YAML file of configuration, and what is wrong in it; `tuning/test_values.py` has precedence."""

from pathlib import Path

import pytest

from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.errors import SettingsError


def test_without_a_file_or_with_an_empty_one_the_defaults_hold(tmp_path: Path) -> None:
    assert read_configuration(None) == Configuration()
    path = tmp_path / "studio.yaml"
    path.write_text("# nothing\n")
    assert read_configuration(path) == Configuration()
    with pytest.raises(SettingsError, match=r"absent\.yaml can't be read"):
        read_configuration(tmp_path / "absent.yaml")


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


def test_a_wrong_override_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text("generator: {studios: 5}\n")
    with pytest.raises(SettingsError) as caught:
        read_configuration(path, {"generator": {"studios": 0}})
    assert "run config" in caught.value.what
    assert str(path) not in caught.value.what
