"""Request ids, security headers and CORS: on every answer, whoever gives it."""

import re
from collections.abc import Iterator

import pytest
from httpx import Response
from starlette.testclient import TestClient

from serving.guards.request_frame import request_id_from
from serving.guards.request_guard import MAX_BYTES
from serving.routes.documentation import POLICY

FORWARD = "/api/v1/predict/forward"
ORIGIN = "https://a.example"


@pytest.fixture
def client(client_of) -> Iterator[TestClient]:
    """A service that has its reasons to refuse."""
    with client_of(api_keys="k", cors_origins=ORIGIN, rate_limit="6/hour") as client:
        yield client


def answers(client: TestClient, headers: dict[str, str]) -> list[Response]:
    """One answer of each status."""
    with_key = {"X-API-Key": "k", **headers}
    found = [
        client.post(FORWARD, json={"studio_id": "chain-a-1"}, headers=with_key),
        client.post(FORWARD, json={"studio_id": "nobody"}, headers=with_key),
        client.post(FORWARD, json={}, headers=with_key),
        client.post(FORWARD, json={"studio_id": "bug"}, headers=with_key),
        client.post(FORWARD, content=b" " * (MAX_BYTES + 1), headers=with_key),
        client.get(FORWARD, headers=with_key),
        client.get("/api/v1/models", headers=with_key),
        client.get("/api/v1/models", headers=headers),
    ]
    assert [response.status_code for response in found] == [200, 404, 422, 500, 413, 405, 429, 401]
    return found


def test_every_answer_carries_the_id_that_was_sent(client: TestClient) -> None:
    found = answers(client, {"X-Request-ID": "my-id.7"})
    assert {response.headers["x-request-id"] for response in found} == {"my-id.7"}


def test_without_one_an_id_is_made_for_each_and_browsers_are_told_to_do_nothing(client: TestClient) -> None:
    found = answers(client, {})
    ids = {response.headers["x-request-id"] for response in found}
    assert len(ids) == len(found)
    assert all(re.fullmatch("[0-9a-f]{32}", made) for made in ids)
    for response in found:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "server" not in response.headers


def test_only_a_sane_id_is_taken() -> None:
    for sane in (b"a", b"A-b_c.9", b"x" * 64):
        assert request_id_from(sane).encode() == sane
    for other in (b"x" * 65, b"", b"a b", b"a\nb", b"a\n", b"\xc3\xa4", b"<script>", None):
        assert re.fullmatch("[0-9a-f]{32}", request_id_from(other)), other


def test_the_page_keeps_its_own_policy_and_can_not_be_framed(client: TestClient) -> None:
    headers = client.get("/docs").headers
    assert headers.get_list("content-security-policy") == [POLICY]
    assert headers["x-frame-options"] == "DENY"


def test_pages_of_an_allowed_origin_read_every_answer(client: TestClient) -> None:
    for response in answers(client, {"Origin": ORIGIN}):
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["vary"] == "Origin"
        exposed = set(response.headers["access-control-expose-headers"].split(", "))
        assert exposed == {"Retry-After", "X-Request-ID"}
        assert "access-control-allow-credentials" not in response.headers


def test_pages_of_other_origins_read_none(client: TestClient, client_of) -> None:
    found = answers(client, {"Origin": "https://b.example"})
    with client_of() as without_origins:
        found.append(without_origins.get("/api/v1/health", headers={"Origin": ORIGIN}))
    assert not any("access-control-allow-origin" in response.headers for response in found)


def test_a_browser_may_ask_first_without_a_key(client: TestClient) -> None:
    ask_first = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Content-Type, X-API-Key, X-Request-ID",
    }
    allowed = client.options(FORWARD, headers=ask_first)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "X-API-Key" in allowed.headers["access-control-allow-headers"]
    assert allowed.headers["x-request-id"]
    for other in ("null", "https://b.example"):
        refused = client.options(FORWARD, headers={**ask_first, "Origin": other})
        assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
