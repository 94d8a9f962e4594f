"""Request ids, security headers and CORS: on every answer, whoever gives it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_forecaster import publish_fake
from httpx import Response
from starlette.testclient import TestClient

from serving.guards.request_frame import request_id_from
from serving.guards.request_guard import MAX_BYTES
from serving.routes.documentation import POLICY

FORWARD = "/api/v1/predict/forward"
ORIGIN = "https://a.example"
KEY = {"X-API-Key": "k"}


@contextmanager
def answered(client_of, home: Path) -> Iterator[TestClient]:
    """A service that has its reasons to refuse."""
    publish_fake(home, 1)
    with client_of(api_keys="k", cors_origins=ORIGIN, rate_limit="6/hour") as client:
        yield client


def answers(client: TestClient, headers: dict[str, str]) -> dict[int, Response]:
    """One answer of each status."""
    with_key = {**KEY, **headers}
    huge = b" " * (MAX_BYTES + 1)
    found = [
        client.post(FORWARD, json={"studio_id": "chain-a-1"}, headers=with_key),
        client.post(FORWARD, json={"studio_id": "nobody"}, headers=with_key),
        client.post(FORWARD, json={}, headers=with_key),
        client.post(FORWARD, json={"studio_id": "bug"}, headers=with_key),
        client.post(FORWARD, content=huge, headers=with_key),
        client.get(FORWARD, headers=with_key),
        client.get("/api/v1/models", headers=with_key),
        client.get("/api/v1/models", headers=headers),
    ]
    return {response.status_code: response for response in found}


def test_every_answer_carries_the_id_that_was_sent(client_of, tmp_path: Path) -> None:
    with answered(client_of, tmp_path) as client:
        found = answers(client, {"X-Request-ID": "my-id.7"})
    assert set(found) == {200, 404, 422, 500, 413, 405, 429, 401}
    assert {response.headers["x-request-id"] for response in found.values()} == {"my-id.7"}


def test_without_one_an_id_is_made_for_each(client_of, tmp_path: Path) -> None:
    with answered(client_of, tmp_path) as client:
        ids = [response.headers["x-request-id"] for response in answers(client, {}).values()]
    assert len(set(ids)) == 8
    assert all(re.fullmatch("[0-9a-f]{32}", made) for made in ids)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (b"a", True),
        (b"A-b_c.9", True),
        (b"x" * 64, True),
        (b"x" * 65, False),
        (b"", False),
        (b"a b", False),
        (b"a\nb", False),
        (b"a\n", False),
        (b"\xc3\xa4", False),
        (b"<script>", False),
        (None, False),
    ],
)
def test_only_a_sane_id_is_taken(sent: bytes | None, *, taken: bool) -> None:
    made = request_id_from(sent)
    assert (made.encode() == sent) is taken
    assert re.fullmatch("[A-Za-z0-9._-]{1,64}", made)


def test_every_answer_tells_browsers_to_do_nothing_with_it(client_of, tmp_path: Path) -> None:
    with answered(client_of, tmp_path) as client:
        for response in answers(client, {}).values():
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"
            assert response.headers["referrer-policy"] == "no-referrer"
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert "server" not in response.headers


def test_the_page_keeps_its_own_policy_and_can_not_be_framed(client: TestClient) -> None:
    headers = client.get("/docs").headers
    assert headers.get_list("content-security-policy") == [POLICY]
    assert headers["x-frame-options"] == "DENY"


def test_pages_of_an_allowed_origin_read_every_answer_and_others_none(client_of, tmp_path: Path) -> None:
    with answered(client_of, tmp_path) as client:
        for response in answers(client, {"Origin": ORIGIN}).values():
            assert response.headers["access-control-allow-origin"] == ORIGIN
            assert response.headers["vary"] == "Origin"
            assert set(response.headers["access-control-expose-headers"].split(", ")) == {
                "Retry-After",
                "X-Request-ID",
            }
            assert "access-control-allow-credentials" not in response.headers
    with answered(client_of, tmp_path) as client:
        for response in answers(client, {"Origin": "https://b.example"}).values():
            assert "access-control-allow-origin" not in response.headers


def test_a_browser_may_ask_first_without_a_key(client_of, tmp_path: Path) -> None:
    ask_first = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Content-Type, X-API-Key, X-Request-ID",
    }
    with answered(client_of, tmp_path) as client:
        allowed = client.options(FORWARD, headers=ask_first)
        assert allowed.status_code == 200
        assert "X-API-Key" in allowed.headers["access-control-allow-headers"]
        assert allowed.headers["x-request-id"]
        refused = client.options(FORWARD, headers={**ask_first, "Origin": "null"})
        assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
