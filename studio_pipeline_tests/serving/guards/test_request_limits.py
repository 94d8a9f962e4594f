"""Bodies that are too large or too slow, and answers that never come: in process, and over real sockets."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from fake_forecaster import FakeForecaster
from live import Address, exchange, is_cut_off, read_all, status_of, url_of
from starlette.testclient import TestClient

from serving.guards import http_protocol, request_guard
from serving.guards.request_guard import MAX_BYTES

FORWARD = "/api/v1/predict/forward"
JSON = {"Content-Type": "application/json"}
HEAD = f"POST {FORWARD} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
BODY = b'{"studio_id": "chain-a-1"}'


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_guard, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(request_guard, "ANSWER_SECONDS", 0.3)


def in_parts(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_of_the_largest_size_is_taken_and_no_larger_one(client: TestClient, *, streamed: bool) -> None:
    for size, status in ((MAX_BYTES, 200), (MAX_BYTES + 1, 413)):
        body = BODY + b" " * (size - len(BODY))
        content = in_parts(body) if streamed else body
        response = client.post(FORWARD, content=content, headers=JSON)
        assert response.status_code == status
    assert "larger than 2,097,152 bytes" in response.json()["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_an_encoded_body_is_refused_and_told_how_to_send_it(client: TestClient, encoding: str) -> None:
    response = client.post(FORWARD, content=BODY, headers={**JSON, "Content-Encoding": encoding})
    assert response.status_code == 415
    assert "without the header Content-Encoding" in response.json()["detail"]
    assert client.post(FORWARD, content=BODY, headers={**JSON, "Content-Encoding": "identity"}).is_success


@pytest.mark.parametrize("length", ["-1", "ten", "1e3"])
def test_a_length_that_is_none_is_refused(client: TestClient, length: str) -> None:
    response = client.post(FORWARD, content=BODY, headers={**JSON, "Content-Length": length})
    assert response.status_code == 400
    assert "Content-Length is no number" in response.json()["detail"]


@pytest.mark.usefixtures("impatient")
def test_a_route_that_never_answers_is_given_up(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    # A route in a thread can't be stopped; its client is told all the same.
    monkeypatch.setattr("serving.routes.studios.describe_studios", lambda _: end.wait(10) and [])
    try:
        response = client.get("/api/v1/studios")
    finally:
        end.set()
    assert response.status_code == 503
    assert "took too long" in response.json()["detail"]
    assert client.get("/api/v1/models").status_code == 200


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_hangs_after_its_body_is_given_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_guard, "BODY_SECONDS", 60.0)

    @client.app.post("/hang")
    async def hang(body: dict[str, int]) -> None:
        await asyncio.sleep(5)

    assert client.post("/hang", json={"a": 1}).status_code == 503


@pytest.mark.usefixtures("impatient")
def test_a_slow_body_is_told_so_and_its_connection_closed(address: Address) -> None:
    answer = exchange(address, HEAD, b"Content-Length: 26\r\n\r\n", BODY[:10])
    assert status_of(answer) == 408
    assert b"did not arrive in time" in answer
    assert b"connection: close" in answer.lower()
    answer = exchange(address, HEAD, b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
    assert status_of(answer) == 408
    assert httpx.post(url_of(address) + FORWARD, content=BODY, headers=JSON).is_success


@pytest.mark.usefixtures("impatient")
def test_a_body_that_comes_drop_by_drop_is_not_waited_for(address: Address) -> None:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        assert is_cut_off(connection, b" ", pause=0.02)


def test_huge_bodies_are_refused_at_once_and_the_client_reads_why(address: Address) -> None:
    refused = exchange(address, HEAD, b"Content-Length: 99999999999\r\n\r\n", seconds=0.5)
    assert status_of(refused) == 413
    for content in (b"x" * 20_000_000, iter([b"x" * 1_000_000] * 5)):
        assert httpx.post(url_of(address) + FORWARD, content=content, headers=JSON).status_code == 413


def test_the_rest_of_a_refused_body_is_not_awaited(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "LEFTOVER_SECONDS", 0.2)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        assert is_cut_off(connection, b"x" * 1000, pause=0.01)


def test_a_late_answer_does_not_harm_the_next_on_its_connection(
    address: Address, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.routes.studios.describe_studios", lambda _: time.sleep(0.8) or [])
    with socket.create_connection(address, timeout=0.5) as connection:
        connection.sendall(b"GET /api/v1/studios HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(read_all(connection)) == 503
        connection.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = read_all(connection)
        assert status_of(answer) == 200
        assert answer.count(b"HTTP/1.1") == 1


def test_the_time_for_an_answer_begins_when_the_body_is_complete(
    address: Address, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_guard, "BODY_SECONDS", 5.0)
    monkeypatch.setattr(request_guard, "ANSWER_SECONDS", 1.0)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(HEAD + b"Connection: close\r\nContent-Length: 26\r\n\r\n")
        time.sleep(1.5)
        connection.sendall(BODY)
        assert status_of(read_all(connection)) == 200


def test_a_client_that_goes_away_leaves_no_error(
    address: Address, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = FakeForecaster.forecast
    monkeypatch.setattr(FakeForecaster, "forecast", lambda *asked: time.sleep(0.1) or slow(*asked))
    whole = HEAD + b"Content-Length: 26\r\n\r\n" + BODY
    for sent in (HEAD, whole[:-5], whole):
        with socket.create_connection(address) as connection:
            connection.sendall(sent)
    time.sleep(0.3)
    assert httpx.get(f"{url_of(address)}/api/v1/health").is_success
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
