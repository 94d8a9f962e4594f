"""The forward route over a cache: same content and another id; `test_swap` has the releases."""

from typing import Any

import pytest
from fake_forecaster import FakeForecaster
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


def test_another_request_and_a_refusal_are_not_answered_from_the_cache(
    client: TestClient, forecasts: list[str]
) -> None:
    forecasts.clear()
    for months in (3, 4):
        answer = client.post(FORWARD, json={"studio_id": "chain-a-1", "projection_months": months}).json()
        assert len(answer["predictions"]) == months
    for _ in range(2):
        assert client.post(FORWARD, json={"studio_id": "nobody"}).status_code == 404
    assert forecasts == ["chain-a-1", "chain-a-1", "nobody", "nobody"]


@pytest.mark.parametrize("settings", [{}, {"redis_url": "redis://127.0.0.1:1"}])
def test_no_cache_means_none(client_of: Any, forecasts: list[str], settings: dict[str, str]) -> None:
    with client_of(cache_ttl_seconds=0, **settings) as client:
        forecasts.clear()
        for _ in range(2):
            assert client.post(FORWARD, json={"studio_id": "chain-a-1"}).status_code == 200
        assert client.get("/api/v1/health").json()["cache"] == "off"
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
