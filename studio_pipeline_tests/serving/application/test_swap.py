"""A new release is picked up between two requests; one that can't be loaded leaves the old one answering."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from fake_forecaster import load_fake, publish_fake
from processes import wait_until
from starlette.testclient import TestClient

from serving import model_store
from serving.model_store import ModelStore
from studio_pipeline.publishing.releases import pointer_identity

FORWARD = "/api/v1/predict/forward"


def answer_of(client: TestClient) -> tuple[str, float]:
    answer = client.post(FORWARD, json={"studio_id": "chain-a-1"}).json()
    return answer["model_version"], answer["predictions"]["month_1"]["revenue"]


def test_a_new_release_is_picked_up_without_a_restart(client: TestClient, tmp_path: Path) -> None:
    assert answer_of(client) == ("1", 1007)
    publish_fake(tmp_path, 2)
    wait_until(lambda: answer_of(client) == ("2", 2007))
    publish_fake(tmp_path, 2, data_number=8)
    wait_until(lambda: answer_of(client) == ("2", 2008))


def status_of(client: TestClient) -> str:
    return str(client.get("/api/v1/health").json()["status"])


def corrupt_after_publishing(home: Path, part: str) -> None:
    release = publish_fake(home, 3, data_number=9)
    (home / part.format(data=release.data_version)).write_text("rubbish")


@pytest.mark.parametrize("part", ["models/3/model.json", "models/3/manifest.json", "data/{data}/panel.npz"])
def test_a_corrupt_release_is_refused_and_the_old_one_answers(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    # Nothing is picked up while the release is being harmed.
    identity = pointer_identity(tmp_path)
    monkeypatch.setattr(model_store, "pointer_identity", lambda _: identity)
    corrupt_after_publishing(tmp_path, part)
    monkeypatch.setattr(model_store, "pointer_identity", pointer_identity)
    wait_until(lambda: status_of(client) == "degraded")
    assert answer_of(client) == ("1", 1007)
    health = client.get("/api/v1/health").json()
    assert health["model_version"] == "1"
    assert "run the pipeline again" in health["problem"]
    publish_fake(tmp_path, 4)
    wait_until(lambda: status_of(client) == "healthy")
    assert answer_of(client) == ("4", 4007)


def test_at_start_the_newest_older_release_answers_for_a_corrupt_one(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    publish_fake(tmp_path, 2)
    corrupt_after_publishing(tmp_path, "models/3/model.json")
    with client_of() as client:
        assert answer_of(client) == ("2", 2007)
        assert status_of(client) == "degraded"


def make_a_loop(pointer: Path) -> None:
    pointer.unlink()
    pointer.symlink_to(pointer.name)


def change(**fields: object) -> Callable[[Path], object]:
    return lambda pointer: pointer.write_text(json.dumps({**json.loads(pointer.read_text()), **fields}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda pointer: pointer.write_text("{"), "release.json"),
        (lambda pointer: pointer.unlink(), "Nothing is published"),
        (make_a_loop, "release.json"),
        (change(version="x"), "release.json"),
        (change(metrics={"wape": {}}), "release.json"),
        (change(source="guess"), "release.json"),
    ],
)
def test_a_pointer_that_can_not_be_read_leaves_the_old_release_and_is_looked_for_again(
    client: TestClient, tmp_path: Path, harm: Callable[[Path], object], said: str
) -> None:
    pointer = tmp_path / "release.json"
    before = pointer.read_text()
    harm(pointer)
    wait_until(lambda: status_of(client) == "degraded")
    assert said in client.get("/api/v1/health").json()["problem"]
    assert client.get("/api/v1/models/current").json()["version"] == 1
    assert answer_of(client) == ("1", 1007)
    pointer.unlink(missing_ok=True)
    pointer.write_text(before)
    wait_until(lambda: status_of(client) == "healthy", seconds=5)
    publish_fake(tmp_path, 2)
    wait_until(lambda: answer_of(client) == ("2", 2007))


def test_a_pointer_that_can_not_be_read_at_start_does_not_stop_it(client_of, tmp_path: Path) -> None:
    (tmp_path / "release.json").symlink_to("release.json")
    with client_of(empty=True) as client:
        assert status_of(client) == "no_model"
        (tmp_path / "release.json").unlink()
        publish_fake(tmp_path, 1)
        wait_until(lambda: status_of(client) == "healthy")
        assert answer_of(client) == ("1", 1007)


def fail_to_load(*_: object) -> NoReturn:
    raise RuntimeError("the graph is of a newer kind")


@pytest.mark.parametrize(
    ("load", "said"), [(load_fake, "is not the file that was published"), (fail_to_load, "newer kind")]
)
def test_where_nothing_can_be_loaded_the_503_says_why(
    client_of, tmp_path: Path, load: Any, said: str
) -> None:
    for number in (1, 2):
        publish_fake(tmp_path, number)
        if load is load_fake:
            (tmp_path / "models" / str(number) / "model.json").write_text("rubbish")
    with client_of(load=load) as client:
        response = client.post(FORWARD, json={"studio_id": "chain-a-1"})
        assert response.status_code == 503
        assert said in response.json()["detail"]


def test_a_pinned_model_answers_from_new_data(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    publish_fake(tmp_path, 2, data_number=8)
    with client_of(model_version="1") as client:
        assert answer_of(client) == ("1", 1008)
        assert client.get("/api/v1/models/current").json()["model_version"] == "1"


@pytest.mark.parametrize("version", ["5", "../1", "models/1", ".", "/etc"])
def test_a_pin_that_is_no_model_is_never_another_model(client_of, tmp_path: Path, version: str) -> None:
    publish_fake(tmp_path, 1)
    publish_fake(tmp_path, 2, data_number=8)
    with client_of(model_version=version) as client:
        response = client.post(FORWARD, json={"studio_id": "chain-a-1"})
        health = client.get("/api/v1/health").json()
    assert response.status_code == 503
    for said in (f"STUDIO_MODEL_VERSION is '{version}'", "Set it to one of 1, 2"):
        assert said in response.json()["detail"]
    assert (health["status"], health["model_version"]) == ("no_model", None)
    assert "STUDIO_MODEL_VERSION" in health["problem"]


def test_a_pinned_model_that_is_broken_is_never_another_model(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    publish_fake(tmp_path, 2)
    (tmp_path / "models" / "1" / "model.json").write_text("rubbish")
    with client_of(model_version="1") as client:
        assert status_of(client) == "no_model"
        response = client.post(FORWARD, json={"studio_id": "chain-a-1"})
    assert response.status_code == 503
    assert response.json()["detail"].startswith("models/1/model.json is not the file that was published.")


def test_a_bug_in_the_watch_is_told_at_once_and_again_at_the_end(
    client_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise ZeroDivisionError("a bug")

    log = tmp_path / "service.log"

    def break_the_watch() -> None:
        with client_of(log_file=log) as client:
            monkeypatch.setattr(model_store, "pointer_identity", fail)
            wait_until(lambda: "New releases are no longer loaded" in log.read_text())
            assert status_of(client) == "degraded"

    with pytest.raises(ZeroDivisionError):
        break_the_watch()
    assert "ZeroDivisionError: a bug" in log.read_text()


def test_no_answer_names_a_place_of_this_machine(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 77)
    (tmp_path / "models" / "77" / "manifest.json").unlink()
    with client_of(log_file=tmp_path / "log") as client:
        health = client.get("/api/v1/health")
        answers = [health, client.get("/api/v1/studios"), client.get("/api/v1/models/current")]
    assert health.json()["problem"].startswith("models/77 has no readable manifest.json")
    assert [answer.status_code for answer in answers] == [200, 503, 503]
    for answer in answers:
        assert str(tmp_path) not in answer.text
    assert f"{tmp_path}/models/77" in (tmp_path / "log").read_text()


def test_a_loader_that_fails_does_not_stop_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_fake(tmp_path, 1)
    store = ModelStore(tmp_path, load=load_fake)
    store.refresh()
    first = store.require()

    store._load = fail_to_load
    publish_fake(tmp_path, 2)
    store.refresh()
    assert store.require() is first
    assert "newer kind" in str(store.problem)
    store._load = load_fake
    store.refresh()
    assert store.require() is first, "it is not tried again at every look"
    monkeypatch.setattr(store, "_retry_at", 0.0)
    store.refresh()
    assert store.require().release.model_version == "2"
    assert store.problem is None


def test_a_look_at_an_unchanged_pointer_loads_nothing(tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    loads = []
    store = ModelStore(tmp_path, load=lambda bundle, panel: loads.append(bundle) or load_fake(bundle, panel))
    for _ in range(5):
        store.refresh()
    assert len(loads) == 1
