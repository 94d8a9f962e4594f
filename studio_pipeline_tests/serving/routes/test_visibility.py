"""A key with a pattern learns nothing of other studios, in whatever routes there are.

Every route that takes a studio is asked, with such a key, about a studio that it does not open and about one
that does not exist: the two answers must be the same. The same question with a key for all studios must be
answered differently, or it would say nothing.
"""

import re
from pathlib import Path

import pytest
from openapi_requests import Operation, described
from small_model import publish_small_chains
from starlette.testclient import TestClient

from serving.guards.access import OPEN_PATHS
from serving.model_store import load_forecaster

KEYS = "all,some:chain-a-*"
OWN, HIDDEN, NOBODY = "chain-a-1", "chain-b-1", "chain-b-0"
UUIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ask(client: TestClient, operation: Operation, studio_id: str, key: str) -> tuple[int, str]:
    response = client.request(**operation.request(studio_id), headers={"X-API-Key": key})
    return response.status_code, UUIDS.sub("UUID", response.text.replace(studio_id, "STUDIO"))


def leaks(client: TestClient, operation: Operation) -> bool:
    """Whether a key for other studios can tell a studio from none."""
    return ask(client, operation, HIDDEN, "some") != ask(client, operation, NOBODY, "some")


def tells(client: TestClient, operation: Operation) -> bool:
    """Whether a key for all studios can."""
    return ask(client, operation, HIDDEN, "all") != ask(client, operation, NOBODY, "all")


def test_a_key_opens_its_own_studios_and_tells_nothing_of_others(client_of, tmp_path: Path) -> None:
    publish_small_chains(tmp_path)
    with client_of(api_keys=KEYS, load=load_forecaster) as client:
        asked = [one for one in described(client) if one.takes_a_studio]
        assert len(asked) > 5
        for operation in asked:
            assert ask(client, operation, OWN, "some")[0] == ask(client, operation, OWN, "all")[0] < 300
            # By now there is a kept answer about the studio that is hidden.
            assert tells(client, operation), operation
            assert not leaks(client, operation), operation
            # In a batch each request is refused by itself.
            status, text = ask(client, operation, HIDDEN, "some")
            assert status == 403 or '"status":403' in text, operation


def test_a_route_that_forgets_to_ask_is_found(client_of) -> None:
    with client_of(api_keys=KEYS) as client:

        @client.app.get("/forgetful/{studio_id}")
        def forgetful(studio_id: str) -> dict[str, bool]:
            return {"known": studio_id in client.app.state.services.store.require().forecaster.panel.rows}

        (operation,) = [one for one in described(client) if "forgetful" in one.path]
        assert tells(client, operation)
        assert leaks(client, operation)


def test_every_route_but_the_open_ones_needs_a_key(client_of) -> None:
    with client_of(api_keys=KEYS) as client:
        for operation in described(client):
            response = client.request(**operation.request("chain-a-1"))
            assert (response.status_code == 401) is (operation.path not in OPEN_PATHS), operation
            assert str(response.status_code) in operation.described["responses"]
            if response.status_code == 401:
                assert response.json() == {"detail": "Send one valid API key in the header X-API-Key."}


@pytest.mark.parametrize(
    "headers",
    [
        [("X-API-Key", "some"), ("X-API-Key", "all")],
        [("X-API-Key", "all"), ("X-API-Key", "all")],
        [("X-API-Key", "all,some")],
        [("X-API-Key", "all "), ("X-Api-Key", "")],
        [("Authorization", "Bearer all")],
        [("Cookie", "X-API-Key=all")],
    ],
)
def test_only_one_header_with_one_key_opens(client_of, headers: list[tuple[str, str]]) -> None:
    with client_of(api_keys=KEYS) as client:
        assert client.get("/api/v1/models", headers=headers).status_code == 401
        assert client.get("/api/v1/models?X-API-Key=all&api_key=all").status_code == 401


@pytest.mark.parametrize(
    "path", ["/api/v1/health/", "/api/v1//health", "/openapi.json/", "/API/v1/health", "/%6detrics"]
)
def test_no_spelling_of_a_path_is_open_but_its_own(client_of, path: str) -> None:
    with client_of(api_keys=KEYS) as client:
        assert client.get(path).status_code == 401


LOCAL = ("localhost", "LOCALHOST:8000", "api.localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]")
ELSEWHERE = ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "127.0.0.1@evil.example")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 200) for host in (*LOCAL, "192.0.2.7", "mymachine", "")),
        *((host, 403) for host in (*ELSEWHERE, "localhost.evil.example:80")),
    ],
)
def test_without_keys_a_name_from_elsewhere_is_not_answered(client_of, host: str, status: int) -> None:
    with client_of() as client:
        response = client.get("/api/v1/health", headers={"Host": host})
        assert response.status_code == status
    with client_of(api_keys=KEYS) as client:
        assert client.get("/api/v1/models", headers={"Host": host, "X-API-Key": "all"}).status_code == 200


def test_without_keys_only_one_host_is_named(client_of) -> None:
    with client_of() as client:
        headers = [("Host", "127.0.0.1"), ("Host", "localhost")]
        assert client.get("/api/v1/studios", headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["[", "a/b?c#d", "\xff", "evil.example"])
def test_no_host_changes_where_an_answer_points(client_of, host: str) -> None:
    headers = {b"Host": host.encode("latin-1"), b"X-API-Key": b"all"}
    with client_of(api_keys=KEYS) as client:
        for path in ("/nowhere", "/api/v1/studios/"):
            response = client.get(path, headers=headers)
            assert response.status_code == 404
            assert response.json()["detail"] == f"There is no GET {path}. GET /docs lists what there is."
            assert "location" not in response.headers
