"""Tuned values on their way into the configuration: over defaults, under what a person set, or refused."""

import json
from pathlib import Path

import pytest

from studio_pipeline.configuration import Configuration, read_configuration
from studio_pipeline.errors import SettingsError
from studio_pipeline.publishing.folders import write_once
from studio_pipeline.publishing.layout import ASSET_POINTER, asset_folder
from studio_pipeline.publishing.storage import replace_file
from studio_pipeline.tuning.values import ASSET, VALUES, read_tuned_values


def store(home: Path, values: object, name: str = "v-1") -> Path:
    versions = asset_folder(home, ASSET)
    content = json.dumps({"values": values, "data_version": "d"})
    write_once(versions / name, lambda folder: (folder / VALUES).write_text(content))
    replace_file(versions / ASSET_POINTER, name.encode())
    return versions / name


def test_defaults_under_tuned_under_the_file_under_the_run_config(tmp_path: Path) -> None:
    store(tmp_path, {"xgboost": {"n_trees": 71, "max_depth": 4, "l2": 5.0}})
    path = tmp_path / "studio.yaml"
    path.write_text("forecasting: {xgboost: {max_depth: 2}, lightgbm: {n_trees: 11}}\n")
    overrides = {"forecasting": {"xgboost": {"n_trees": 99, "max_depth": None}}}
    read = read_configuration(path, overrides, tmp_path)
    xgboost = read.forecasting.xgboost
    assert (xgboost.n_trees, xgboost.max_depth, xgboost.l2) == (99, 2, 5.0)
    assert read.forecasting.lightgbm.n_trees == 11
    assert read.forecasting.random_forest == Configuration().forecasting.random_forest
    assert read.untuned == read_configuration(path, overrides).forecasting
    assert read.untuned.xgboost.l2 == Configuration().forecasting.xgboost.l2


def test_a_later_result_replaces_an_earlier_one_whole(tmp_path: Path) -> None:
    assert read_configuration(None, home=tmp_path) == Configuration(), "without a search nothing is tuned"
    store(tmp_path, {"xgboost": {"l2": 5.0}, "lightgbm": {"l2": 5.0}}, "v-1")
    store(tmp_path, {"lightgbm": {"l2": 6.0}}, "v-2")
    assert read_tuned_values(tmp_path).values == {"lightgbm": {"l2": 6.0}}


@pytest.mark.parametrize("by", ["file", "run config"])
def test_they_can_be_left_out(tmp_path: Path, by: str) -> None:
    store(tmp_path, {"xgboost": {"l2": 5.0}})
    path = tmp_path / "studio.yaml"
    path.write_text("tuning: {use_tuned: false}\n" if by == "file" else "")
    overrides = {"tuning": {"use_tuned": False}} if by == "run config" else None
    assert read_configuration(path, overrides, tmp_path).forecasting == Configuration().forecasting


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"xgboost": {"max_depth": 99}}, "forecasting.xgboost.max_depth"),
        ({"xgboost": {"bins": 5}}, "forecasting.xgboost.bins"),
        ({"catboost": {"max_depth": 3}}, "other learners"),
        ([], "other learners"),
    ],
)
def test_values_of_another_version_are_refused_by_name(tmp_path: Path, values: object, part: str) -> None:
    store(tmp_path, values)
    with pytest.raises(SettingsError) as caught:
        read_configuration(None, home=tmp_path)
    assert part in caught.value.what
    assert "tune_learners" in caught.value.remedy
    assert str(tmp_path) not in caught.value.what


@pytest.mark.parametrize("damage", ["changed", "missing file", "missing folder", "no json"])
def test_what_is_corrupt_is_refused(tmp_path: Path, damage: str) -> None:
    folder = store(tmp_path, {"xgboost": {"l2": 5.0}})
    if damage == "changed":
        (folder / VALUES).write_text((folder / VALUES).read_text().replace("5.0", "6.0"))
    elif damage == "missing file":
        (folder / VALUES).unlink()
    elif damage == "missing folder":
        replace_file(folder.parent / ASSET_POINTER, b"v-9")
    else:
        write_once(folder.parent / "v-2", lambda place: (place / VALUES).write_text("{"))
        replace_file(folder.parent / ASSET_POINTER, b"v-2")
    with pytest.raises(SettingsError, match=r"tuned hyperparameters can't be used: assets/tuned_hyper"):
        read_configuration(None, home=tmp_path)
    assert read_configuration(None, {"tuning": {"use_tuned": False}}, tmp_path).tuning.use_tuned is False
