from pathlib import Path

import pytest
from fake_forecaster import publish_fake
from starlette.testclient import TestClient

from serving.guards.access import is_loopback

FORWARD = "/api/v1/predict/forward"
KEYS = "open-sesame,key-a:chain-a-*,key-a:chain-c-*"


def ask(client: TestClient, key: str | None, studio: str = "chain-a-1") -> int:
    headers = {} if key is None else {b"X-API-Key": key.encode()}
    return client.post(FORWARD, json={"studio_id": studio}, headers=headers).status_code


@pytest.mark.parametrize(
    ("peer", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_loopback(peer: str | None, own: bool) -> None:
    assert is_loopback(peer) is own


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/api/v1/health", "/api/v1/studios", "/nowhere"])
def test_without_keys_only_this_machine_is_answered(client_of, path: str) -> None:
    with client_of(peer=("192.0.2.7", 1234)) as client:
        response = client.get(path)
        assert response.status_code == 403
        assert "STUDIO_API_KEYS" in response.json()["detail"]


def test_a_key_is_needed_even_on_this_machine_but_not_for_health_and_page(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    for peer in ["127.0.0.1", "192.0.2.7"]:
        with client_of(peer=(peer, 1), api_keys=KEYS) as client:
            for wrong in [
                None,
                "",
                "open-sesam",
                "open-sesame ",
                "OPEN-SESAME",
                "key-a:chain-a-*",
                "schlüssel",
            ]:
                assert ask(client, wrong) == 401
            assert ask(client, "open-sesame") == 200
            for path in ["/", "/docs", "/docs/docs.js", "/openapi.json", "/api/v1/health"]:
                assert client.get(path).status_code == 200
            assert client.get("/api/v1/models").status_code == 401


def test_a_key_sees_its_studios_and_no_other_in_no_route(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    with client_of(api_keys=KEYS) as client:
        assert ask(client, "key-a", "chain-a-2") == 200
        assert ask(client, "key-a", "chain-c-9") == 404
        assert ask(client, "key-a", "chain-b-1") == ask(client, "key-a", "chain-b-nobody") == 403
        studios = client.get("/api/v1/studios", headers={"X-API-Key": "key-a"}).json()["studios"]
        assert [studio["studio_id"] for studio in studios] == ["chain-a-1", "chain-a-2"]


def test_a_key_may_hold_any_letters(client_of, tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    with client_of(api_keys="schlüssel") as client:
        assert ask(client, "schlüssel") == 200
        assert ask(client, "schlussel") == 401


def test_only_configured_origins_get_cors(client_of) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
    with client_of(cors_origins="https://a.example", api_keys=KEYS) as client:
        allowed = client.options(FORWARD, headers={"Origin": "https://a.example", **preflight})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (
            200,
            "https://a.example",
        )
        denied = client.options(FORWARD, headers={"Origin": "https://b.example", **preflight})
        assert "access-control-allow-origin" not in denied.headers
    with client_of() as client:
        answer = client.get("/api/v1/health", headers={"Origin": "https://a.example"})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        [("Via", "1.1 proxy")],
        [("X-Forwarded-For", "192.0.2.7")],
        [("CF-Connecting-IP", "192.0.2.7")],
        [("Host", "evil.example"), ("Host", "localhost")],
    ],
)
def test_without_keys_nobody_comes_through_a_proxy(client_of, headers: list[tuple[str, str]]) -> None:
    with client_of() as client:
        assert client.get("/api/v1/studios", headers=headers).status_code == 403
