"""`POST /predict/forward/batch`: each request by itself and in order, and their sum."""

from pathlib import Path
from typing import Any

import pytest
from fake_forecaster import FakeForecaster, publish_fake
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_model import ALL_LEVERS
from starlette.testclient import TestClient
from test_forward_route import EVERYTHING

from serving.schemas.forward import BatchAnswer

FORWARD = "/api/v1/predict/forward"
BATCH = f"{FORWARD}/batch"

GOOD = {"studio_id": "chain-a-1", "levers": {"avg_ticket_price": 150}, "include_confidence_intervals": True}
BAD: list[Any] = [
    {"studio_id": "nobody"},
    {"studio_id": "chain-a-1", "base_month": "2022-01"},
    {"studio_id": "chain-a-1", "levers": {"avg_ticket_price": 5000}},
    {"studio_id": "chain-a-1", "levers": {"price": 3}},
    {"studio_id": "chain-a-1", "projection_months": 13},
    {"studio_id": "chain-a-1", "levers": {"retention_rate": True}},
    {},
    [],
    None,
    "chain-a-1",
    7,
    {"studio_id": {"$ne": 1}},
    {"\x00": 1},
]


def alone(client: TestClient, item: Any) -> tuple[int, Any]:
    response = client.post(FORWARD, json=item)
    return response.status_code, response.json()


def same(item: Any, one: tuple[int, Any], together: Any, place: int) -> None:
    """A request of a batch is answered, or refused, as it would be alone."""
    status, answer = one
    if status == 200:
        assert {**together, "scenario_id": ""} == {**answer, "scenario_id": ""}, item
        return
    assert together["error"]["status"] == status, item
    if isinstance(answer["detail"], str):
        assert together["error"]["detail"] == answer["detail"]
        return
    for problem in together["error"]["detail"]:
        assert problem["loc"][:3] == ["body", "requests", str(place)]
    if isinstance(item, dict):
        shortened = [{**one, "loc": ["body", *one["loc"][3:]]} for one in together["error"]["detail"]]
        assert shortened == answer["detail"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(items=[part for bad in BAD for part in (bad, GOOD)])
@given(
    items=st.lists(
        st.sampled_from([GOOD, {"studio_id": "chain-a-2", "projection_months": 5}, *BAD]), max_size=30
    )
)
def test_each_request_is_answered_in_its_place_as_if_alone(client: TestClient, items: list[Any]) -> None:
    response = client.post(BATCH, json={"requests": items})
    assert response.status_code == 200
    BatchAnswer.model_validate_json(response.content)
    assert list(response.json()) == ["responses"]
    for place, (item, answer) in enumerate(zip(items, response.json()["responses"], strict=True)):
        same(item, alone(client, item), answer, place)


def test_a_thousand_of_the_largest_are_taken_and_each_answer_has_its_own_id(client: TestClient) -> None:
    levers = {name: 1.0123456789012345 * value for name, value in ALL_LEVERS.items()}
    largest = {**EVERYTHING, "projection_months": 12, "levers": levers}
    answers = client.post(BATCH, json={"requests": [largest] * 1000}).json()["responses"]
    assert len({answer["scenario_id"] for answer in answers}) == 1000


def test_all_are_of_one_release(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, store = FakeForecaster.forecast, client.app.state.services.store

    def publishing(self: FakeForecaster, queries: Any) -> Any:
        monkeypatch.setattr(FakeForecaster, "forecast", answer)
        publish_fake(tmp_path, 2)
        store.refresh()
        return answer(self, queries)

    monkeypatch.setattr(FakeForecaster, "forecast", publishing)
    answers = client.post(BATCH, json={"requests": [GOOD] * 300, "aggregate": True}).json()
    assert store.held.release.model_version == "2"
    assert {answer["model_version"] for answer in answers["responses"]} == {"1"}
    assert answers["aggregate"]["total_projected_revenue"] == 300 * 3 * 1007.0


def test_a_key_sees_no_other_studio_and_none_of_its_money(client_of: Any) -> None:
    items = [{"studio_id": name} for name in ("chain-a-1", "chain-b-1", "chain-b-nobody", "chain-a-2")]
    with client_of(api_keys="a:chain-a-*") as client:
        body = {"requests": items, "aggregate": True}
        answer = client.post(BATCH, json=body, headers={"X-API-Key": "a"}).json()
    statuses = [one.get("error", {}).get("status", 200) for one in answer["responses"]]
    assert statuses == [200, 403, 403, 200]
    assert answer["aggregate"]["answers"] == 2
    assert answer["aggregate"]["total_projected_revenue"] == 2 * 3 * 1007.0


def test_the_sum_has_its_months_and_what_to_know_of_it(client: TestClient) -> None:
    body = {
        "requests": [GOOD, {"studio_id": "chain-a-2"}, GOOD, BAD[0]],
        "aggregate": True,
        "interval_level": 0.8,
    }
    response = client.post(BATCH, json=body)
    BatchAnswer.model_validate_json(response.content)
    aggregate = response.json()["aggregate"]
    assert aggregate["months"][0] == {
        "month": "2022-01-01",
        "answers": 3,
        "revenue": 3021.0,
        "confidence_interval": [3021.0 - 0.8, 3021.0 + 0.8],
    }
    assert [month["month"] for month in aggregate["months"]] == ["2022-01-01", "2022-02-01", "2022-03-01"]
    assert (aggregate["answers"], aggregate["studios"], aggregate["interval_level"]) == (3, 2, 0.8)
    assert aggregate["total_projected_revenue"] == 9063.0
    assert aggregate["total_confidence_interval"] == [9062.2, 9063.8]
    assert aggregate["warnings"] == [
        "1 of 4 requests are refused and not in the sum.",
        "3 answers are of 2 studios: a studio counts once for each of its answers.",
    ]


@pytest.mark.parametrize("items", [[], [BAD[0]]])
def test_a_sum_of_nothing_is_null(client: TestClient, items: list[Any]) -> None:
    answer = client.post(BATCH, json={"requests": items, "aggregate": True}).json()
    assert (len(answer["responses"]), answer["aggregate"]) == (len(items), None)
