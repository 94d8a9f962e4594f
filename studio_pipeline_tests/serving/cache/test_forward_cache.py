"""The forward route over a cache: same content, another id, never another release's answer."""

from pathlib import Path
from typing import Any

import pytest
from fake_forecaster import FakeForecaster, publish_fake
from processes import wait_until
from redis_peers import REAL_URL, real_redis
from starlette.testclient import TestClient

FORWARD = "/api/v1/predict/forward"


@pytest.fixture
def forecasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The studios that the model was asked about, by requests."""
    asked: list[str] = []
    answer = FakeForecaster.forecast

    def counting(self: FakeForecaster, queries: Any) -> Any:
        asked.extend(query.studio_id for query in queries)
        return answer(self, queries)

    monkeypatch.setattr(FakeForecaster, "forecast", counting)
    return asked


def test_a_kept_answer_has_the_same_content_and_its_own_id(client: TestClient, forecasts: list[str]) -> None:
    forecasts.clear()
    body = {"studio_id": "chain-a-1", "levers": {"avg_ticket_price": 150}, "compare_to_status_quo": True}
    answers = [client.post(FORWARD, json=body).json() for _ in range(3)]
    assert forecasts == ["chain-a-1"]
    assert len({answer.pop("scenario_id") for answer in answers}) == 3
    assert list(answers[0].items()) == list(answers[1].items()) == list(answers[2].items())
    assert client.app.state.services.cache.counters == {"hits": 2, "misses": 1, "errors": 0}


def test_another_request_is_not_answered_from_the_cache(client: TestClient, forecasts: list[str]) -> None:
    forecasts.clear()
    for months in (3, 4):
        answer = client.post(FORWARD, json={"studio_id": "chain-a-1", "projection_months": months}).json()
        assert len(answer["predictions"]) == months
    assert len(forecasts) == 2


def test_no_cache_means_none(client_of: Any, forecasts: list[str]) -> None:
    with client_of(cache_ttl_seconds=0) as client:
        forecasts.clear()
        for _ in range(2):
            assert client.post(FORWARD, json={"studio_id": "chain-a-1"}).status_code == 200
        assert client.get("/api/v1/health").json()["cache"] == "off"
    assert len(forecasts) == 2


def test_a_new_release_answers_for_itself(client: TestClient, tmp_path: Path) -> None:
    body = {"studio_id": "chain-a-1"}
    assert client.post(FORWARD, json=body).json()["model_version"] == "1"
    publish_fake(tmp_path, 2)
    wait_until(lambda: client.get("/api/v1/health").json()["model_version"] == "2")
    answer = client.post(FORWARD, json=body).json()
    assert (answer["model_version"], answer["predictions"]["month_1"]["revenue"]) == ("2", 2007.0)


def test_a_refusal_is_not_kept(client: TestClient, forecasts: list[str]) -> None:
    forecasts.clear()
    for _ in range(2):
        assert client.post(FORWARD, json={"studio_id": "nobody"}).status_code == 404
    assert len(forecasts) == 2


def test_health_tells_of_an_unreachable_redis_and_forecasts_go_on(client_of: Any) -> None:
    with client_of(redis_url="redis://:pa55word@127.0.0.1:1") as client:
        health = client.get("/api/v1/health").json()
        assert (health["status"], health["cache"]) == ("degraded", "unreachable")
        assert "STUDIO_REDIS_URL" in health["problem"]
        assert "pa55word" not in str(health)
        assert client.post(FORWARD, json={"studio_id": "chain-a-1"}).status_code == 200


def test_health_tells_of_a_redis_that_is_there(client_of: Any) -> None:
    real_redis()
    with client_of(redis_url=REAL_URL) as client:
        health = client.get("/api/v1/health").json()
        assert (health["status"], health["cache"], health["problem"]) == ("healthy", "ok", None)
        ids = []

        def taken_from_redis() -> bool:
            ids.append(client.post(FORWARD, json={"studio_id": "chain-a-1"}).json()["scenario_id"])
            return bool(client.app.state.services.cache.counters["hits"])

        wait_until(taken_from_redis)
        assert len(set(ids)) == len(ids) > 1
