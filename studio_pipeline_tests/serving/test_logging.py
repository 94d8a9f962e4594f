import json
import logging
from pathlib import Path

import pytest
from fake_forecaster import publish_fake

from serving.logs import LOGGERS
from studio_pipeline.errors import StorageError


def test_json_lines_go_to_the_file(client_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    publish_fake(tmp_path, 1)
    file = tmp_path / "logs" / "service.log"
    with client_of(log_file=file, log_format="json") as client:
        client.post("/api/v1/predict/forward?name=Ann", json={"studio_id": "chain-a-1"})
        client.post("/api/v1/predict/forward", json={"studio_id": "bug"})
        client.get("/x%0AERROR forged")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    requests = [line for line in lines if line["logger"] == "serving.requests"]
    assert [line["status"] for line in requests] == [200, 500, 404]
    assert requests[0]["path"] == "/api/v1/predict/forward"
    assert requests[0]["method"] == "POST"
    assert requests[0]["milliseconds"] > 0
    assert lines[0]["message"].startswith("Release 1: model 1")
    assert "Ann" not in file.read_text()


def test_text_lines_stand_on_one_line_each(client_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "service.log"
    with client_of(log_file=file) as client:
        client.get("/x%0AERROR%20forged")
    (line,) = [line for line in file.read_text().splitlines() if "forged" in line]
    assert "INFO serving.requests: GET /x%0AERROR%20forged 404" in line


def test_the_level_is_the_setting_s(client_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    publish_fake(tmp_path, 1)
    file = tmp_path / "service.log"
    with client_of(log_file=file, log_level="WARNING") as client:
        client.get("/api/v1/health")
    assert file.read_text() == ""


def test_a_start_without_a_release_is_a_warning_with_a_remedy(client_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "service.log"
    with client_of(log_file=file, log_level="WARNING"):
        pass
    (line,) = file.read_text().splitlines()
    assert "WARNING serving.model_store: There is no release to answer from." in line
    assert f"Nothing is published in {tmp_path} yet. Run `studio run`" in line


@pytest.mark.parametrize("name", ["file/log", "folder", "loop", "n" * 300])
def test_a_log_that_can_not_be_opened_stops_the_start_with_a_remedy(  # type: ignore[no-untyped-def]
    client_of, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with (
        pytest.raises(StorageError, match=r"Could not open the log file .* Point STUDIO_LOG_FILE to"),
        client_of(log_file=tmp_path / name),
    ):
        pass


@pytest.mark.parametrize("name", LOGGERS)
def test_nothing_is_left_behind(client_of, name: str) -> None:  # type: ignore[no-untyped-def]
    before = list(logging.getLogger(name).handlers)
    with client_of():
        pass
    assert logging.getLogger(name).handlers == before
