"""A studio's history over HTTP: every column of every month, null where unknown, and what follows."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_forecaster import fake_panel, publish_fake
from starlette.testclient import TestClient

from serving.schemas.resources import HistoryAnswer
from studio_pipeline.panel.columns import NUMERIC_COLUMNS
from studio_pipeline.publishing.releases import current_release

HISTORY = "/api/v1/studios/{}/history"


def history_of(client: TestClient, studio: str, **wanted: str) -> dict[str, Any]:
    response = client.get(HISTORY.format(studio), params=wanted)
    assert response.status_code == 200, response.text
    HistoryAnswer.model_validate_json(response.content)
    found: dict[str, Any] = response.json()
    return found


def test_every_month_has_every_column(client: TestClient, tmp_path: Path) -> None:
    history = history_of(client, "chain-b-1")
    assert history["data_version"] == current_release(tmp_path).data_version
    assert (history["studio_id"], history["studio_type"]) == ("chain-b-1", None)
    months = history["months"]
    assert [months[0]["month"], months[-1]["month"], len(months)] == ["2020-01-01", "2021-12-01", 24]
    panel = fake_panel(7)
    for column, month in enumerate(months):
        for name in NUMERIC_COLUMNS:
            value = panel.values[name][2, column]
            assert month[name] == (None if math.isnan(value) else value)


def test_a_history_begins_with_the_studio(client: TestClient) -> None:
    history = history_of(client, "chain-a-2")
    assert history["studio_type"] == "Dance"
    assert [history["months"][0]["month"], len(history["months"])] == ["2020-07-01", 18]


def test_what_follows_is_reckoned_or_null(client: TestClient) -> None:
    first, second, *_, last = history_of(client, "chain-a-2")["months"]
    assert (first["revenue_per_member"], first["revenue_growth"]) == (1.0, None)
    assert (second["revenue_growth"], second["revenue_growth_year"]) == (0.0, None)
    assert last["revenue_growth_year"] == 0.0
    assert history_of(client, "chain-b-1")["months"][-1]["revenue_per_member"] is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"from": "2021-11"}, ["2021-11-01", "2021-12-01"]),
        ({"to": "2020-02-01"}, ["2020-01-01", "2020-02-01"]),
        ({"from": "2020-03-01", "to": "2020-03-01"}, ["2020-03-01"]),
        ({"from": "2022-01-01"}, []),
        ({"to": "2019-12-01"}, []),
        ({"from": "1890-01-01", "to": "1891-01-01"}, []),
    ],
)
def test_months_can_be_chosen(client: TestClient, wanted: dict[str, str], expected: list[str]) -> None:
    assert [month["month"] for month in history_of(client, "chain-a-1", **wanted)["months"]] == expected


@pytest.mark.parametrize(
    "wanted",
    [{"from": "2021-02", "to": "2021-01"}, {"from": "2021-02-03"}, {"to": "soon"}, {"since": "2021-01-01"}],
)
def test_a_wrong_choice_is_refused(client: TestClient, wanted: dict[str, str]) -> None:
    assert client.get(HISTORY.format("chain-a-1"), params=wanted).status_code == 422


def test_an_unknown_studio_is_not_found_with_a_way_out(client: TestClient) -> None:
    response = client.get(HISTORY.format("nobody"))
    assert response.status_code == 404
    assert "/api/v1/studios" in response.json()["detail"]


@pytest.fixture
def keyed(tmp_path: Path, client_of: Any) -> Iterator[TestClient]:
    publish_fake(tmp_path, 1)
    with client_of(api_keys="secret:chain-a-*") as client:
        yield client


def test_a_key_sees_the_histories_of_its_own_studios_alone(keyed: TestClient) -> None:
    key = {"X-API-Key": "secret"}
    statuses = [
        keyed.get(HISTORY.format(studio), headers=key).status_code
        for studio in ("chain-a-1", "chain-b-1", "nobody")
    ]
    assert statuses == [200, 403, 403]
    assert keyed.get(HISTORY.format("chain-a-1")).status_code == 401


def test_without_a_release_there_is_no_history(client_of: Any) -> None:
    with client_of() as client:
        assert client.get(HISTORY.format("chain-a-1")).status_code == 503
