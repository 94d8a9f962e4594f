import pytest
from starlette.testclient import TestClient

from serving.guards.access import is_loopback

FORWARD = "/api/v1/predict/forward"
KEYS = "open-sesame,key-a:chain-a-*,key-a:chain-c-*"
WRONG_KEYS = (None, "", "open-sesam", "open-sesame ", "OPEN-SESAME", "key-a:chain-a-*", "schlüssel")


def ask(client: TestClient, key: str | None, studio: str = "chain-a-1") -> int:
    headers = {} if key is None else {b"X-API-Key": key.encode()}
    return client.post(FORWARD, json={"studio_id": studio}, headers=headers).status_code


def test_nothing_but_this_machine_is_loopback() -> None:
    for peer in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert is_loopback(peer), peer
    for peer in ("10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "localhost", "", None):
        assert not is_loopback(peer), peer


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/api/v1/health", "/api/v1/studios", "/nowhere"])
def test_without_keys_only_this_machine_is_answered(client_of, path: str) -> None:
    with client_of(peer=("192.0.2.7", 1234)) as client:
        response = client.get(path)
        assert response.status_code == 403
        assert "STUDIO_API_KEYS" in response.json()["detail"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7"])
def test_a_key_is_needed_even_on_this_machine_but_not_for_health_and_page(client_of, peer: str) -> None:
    with client_of(peer=(peer, 1), api_keys=KEYS) as client:
        assert {ask(client, wrong) for wrong in WRONG_KEYS} == {401}
        assert ask(client, "open-sesame") == 200
        for path in ["/", "/docs", "/docs/docs.js", "/openapi.json", "/api/v1/health"]:
            assert client.get(path).status_code == 200
        assert client.get("/api/v1/models").status_code == 401


def test_a_key_sees_its_studios_and_no_other_in_no_route(client_of) -> None:
    with client_of(api_keys=KEYS) as client:
        assert ask(client, "key-a", "chain-a-2") == 200
        assert ask(client, "key-a", "chain-c-9") == 404
        assert ask(client, "key-a", "chain-b-1") == ask(client, "key-a", "chain-b-nobody") == 403
        studios = client.get("/api/v1/studios", headers={"X-API-Key": "key-a"}).json()["studios"]
        assert [studio["studio_id"] for studio in studios] == ["chain-a-1", "chain-a-2"]


def test_a_key_may_hold_any_letters(client_of) -> None:
    with client_of(api_keys="schlüssel") as client:
        assert ask(client, "schlüssel") == 200
        assert ask(client, "schlussel") == 401
