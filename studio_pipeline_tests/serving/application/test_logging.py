import json
import logging
from pathlib import Path

import pytest

from serving.logs import LOGGERS, TextFormatter
from studio_pipeline.errors import StorageError


def test_json_lines_go_to_the_file(client_of, tmp_path: Path) -> None:
    file = tmp_path / "logs" / "service.log"
    with client_of(log_file=file, log_format="json") as client:
        client.post("/api/v1/predict/forward?name=Ann", json={"studio_id": "chain-a-1"})
        client.post("/api/v1/predict/forward", json={"studio_id": "bug"})
        client.get("/x%0AERROR forged")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    requests = [line for line in lines if line["logger"] == "serving.requests"]
    assert [line["status"] for line in requests] == [422, 500, 404]
    assert [line["route"] for line in requests] == ["/api/v1/predict/forward", "/api/v1/predict/forward", "-"]
    assert requests[0]["method"] == "POST"
    assert requests[0]["milliseconds"] > 0
    assert lines[0]["message"].startswith("Release 1: model 1")
    assert "Ann" not in file.read_text()
    assert len({line["request_id"] for line in requests}) == 3
    (bug,) = [line for line in lines if "traceback" in line]
    assert bug["request_id"] == requests[1]["request_id"]


def test_what_a_caller_asks_about_is_not_in_the_log(client_of, tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    with client_of(log_file=file, api_keys="secret-key:chain-a-*") as client:
        for sent in ("secret-key", "secret-kez"):
            headers = {"X-API-Key": sent}
            client.post("/api/v1/predict/forward", json={"studio_id": "chain-a-1"}, headers=headers)
            client.post("/api/v1/predict/forward", json={"studio_id": "chain-b-1"}, headers=headers)
            client.post("/api/v1/predict/forward", json={"chain-b-1": 1}, headers=headers)
            client.get("/api/v1/studios/chain-b-1/histori?studio_id=chain-b-1", headers=headers)
    text = file.read_text()
    assert text.count("serving.requests") == 8
    assert "chain-" not in text
    assert "secret" not in text


def test_a_message_can_not_forge_a_line(client_of, tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    with client_of(log_file=file) as client:
        client.get("/x%0AERROR%20forged")
        logging.getLogger("serving").error("one\r\n2026-01-01 00:00:00,000 INFO forged")
    lines = file.read_text().splitlines()
    (line,) = (line for line in lines if "forged" in line)
    assert line.endswith("ERROR serving: one\\r\\n2026-01-01 00:00:00,000 INFO forged")
    assert [line for line in lines if "GET - 404" in line]


def test_times_are_those_of_the_standard_formatter() -> None:
    standard = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    ours = TextFormatter()
    for created in (0.0, 1_700_000_000.0, 1_700_000_000.9996, 1_700_000_001.5):
        record = logging.makeLogRecord({"created": created, "msecs": int(created % 1 * 1000), "msg": "m"})
        assert ours.format(record) == standard.format(record)


def test_a_start_without_a_release_is_a_warning_and_no_line_is_below_the_level(
    client_of, tmp_path: Path
) -> None:
    file = tmp_path / "service.log"
    with client_of(empty=True, log_file=file, log_level="WARNING") as client:
        client.get("/api/v1/health")
    (line,) = file.read_text().splitlines()
    assert "WARNING serving.model_store: There is no release to answer from." in line
    assert f"Nothing is published in {tmp_path} yet. Run `studio run`" in line


@pytest.mark.parametrize("name", ["file/log", "folder", "loop", "n" * 300])
def test_a_log_that_can_not_be_opened_stops_the_start(client_of, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with (
        pytest.raises(StorageError, match=r"Could not open the log file .* Point STUDIO_LOG_FILE to"),
        client_of(log_file=tmp_path / name),
    ):
        pass


@pytest.mark.parametrize("name", LOGGERS)
def test_nothing_is_left_behind(client_of, name: str) -> None:
    before = list(logging.getLogger(name).handlers)
    with client_of():
        pass
    assert logging.getLogger(name).handlers == before
