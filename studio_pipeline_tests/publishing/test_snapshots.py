import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipeline.errors import CorruptReleaseError
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.snapshots import ARRAYS, data_version_of, read_panel, write_panel
from studio_pipeline_tests.publishing.conftest import small_panel


def test_a_panel_comes_back_as_it_went(tmp_path: Path) -> None:
    panel = small_panel()
    version = write_panel(tmp_path, panel, {"run_id": "r1"})
    back = read_panel(tmp_path / "data" / version)
    assert back.studio_ids.tolist() == panel.studio_ids.tolist()
    assert back.studio_types.tolist() == panel.studio_types.tolist()
    assert back.months.tolist() == panel.months.tolist()
    assert sorted(back.values) == sorted(panel.values)
    for name, array in panel.values.items():
        np.testing.assert_array_equal(back.values[name], array)
    assert verify_folder(tmp_path / "data" / version).details == {"data_version": version, "run_id": "r1"}


def test_the_same_data_are_the_same_version_written_once(tmp_path: Path) -> None:
    first = write_panel(tmp_path, small_panel(), {"run_id": "r1"})
    assert write_panel(tmp_path, small_panel(), {"run_id": "r2"}) == first
    assert verify_folder(tmp_path / "data" / first).details["run_id"] == "r1"


@given(row=st.integers(0, 2), month=st.integers(4, 13), value=st.floats(10, 1e9))
def test_any_other_value_is_another_version(row: int, month: int, value: float) -> None:
    panel = _panel_of(np.ones((3, 14)))
    changed = np.ones((3, 14))
    changed[row, month] = value
    assert data_version_of(_panel_of(changed)) != data_version_of(panel)


def test_names_types_and_calendar_are_part_of_the_version() -> None:
    panel = small_panel()
    others = [
        dataclasses.replace(panel, studio_ids=panel.studio_ids[::-1]),
        dataclasses.replace(panel, studio_types=np.array(["Yoga", "Yoga", "Dance"])),
        dataclasses.replace(panel, first_month=np.datetime64("2020-12", "M")),
        panel.until(12),
    ]
    assert len({data_version_of(other) for other in [panel, *others]}) == 5


def test_forms_of_nan_and_zero_and_memory_order_are_not_part_of_the_version() -> None:
    plain = np.array([[np.nan, 0.0, 1.0], [2.0, 3.0, 4.0]])
    odd = np.asfortranarray(np.array([[-np.nan, -0.0, 1.0], [2.0, 3.0, 4.0]]))
    assert odd.tobytes() != plain.tobytes()
    assert data_version_of(_panel_of(odd)) == data_version_of(_panel_of(plain))


@pytest.mark.parametrize("content", [b"", b"PK rubbish", b"PK\x03\x04rubbish"])
def test_rubbish_is_a_corrupt_release_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    version = write_panel(tmp_path, small_panel())
    (tmp_path / "data" / version / ARRAYS).write_bytes(content)
    with pytest.raises(CorruptReleaseError, match="holds no panel"):
        read_panel(tmp_path / "data" / version)
    assert write_panel(tmp_path, small_panel()) == version
    verify_folder(tmp_path / "data" / version)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def test_no_pickle_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    version = write_panel(tmp_path, small_panel())
    arrays = {name: np.array([Bomb()], dtype=object) for name in small_panel().values}
    assert pickle.dumps(arrays)
    np.savez(tmp_path / "data" / version / ARRAYS, **arrays)
    with pytest.raises(CorruptReleaseError):
        read_panel(tmp_path / "data" / version)
    assert not Path("exploded").exists()


def _panel_of(revenue: np.ndarray) -> StudioPanel:
    names = np.array([f"s{row}" for row in range(len(revenue))])
    types = np.array([""] * len(revenue))
    return StudioPanel(names, types, np.datetime64("2020-11", "M"), {"total_revenue": revenue})
