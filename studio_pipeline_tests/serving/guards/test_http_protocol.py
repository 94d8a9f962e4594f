"""Raw bytes on a real port: headers without end, requests hidden in requests, and the word of a proxy."""

import socket
import time
from pathlib import Path

import httpx
import pytest
from live import Address, exchange, is_cut_off, live, read_all, status_of, url_of

from serving.guards import http_protocol

GET = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/v1/predict/forward HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HIDDEN = b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.3)


def test_headers_without_end_are_refused(address: Address) -> None:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(GET)
        assert is_cut_off(connection, b"X-More: " + b"x" * 1000 + b"\r\n", pause=0.001)
        assert httpx.get(f"{url_of(address)}/api/v1/health").is_success


def test_headers_of_an_ordinary_size_are_taken_and_too_large_ones_told_so(address: Address) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (k, b"x" * 500) for k in range(60))
    assert status_of(exchange(address, GET + many + b"Connection: close\r\n\r\n")) == 200
    large = b"X-Big: " + b"x" * (http_protocol.MOST_HEADER_BYTES + 1)
    assert status_of(exchange(address, GET + large)) == 431


@pytest.mark.usefixtures("impatient")
def test_a_refused_connection_has_no_deadline_left(
    address: Address, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(GET)
        time.sleep(0.1)
        connection.sendall(b"X-Big: " + b"x" * (http_protocol.MOST_HEADER_BYTES + 1))
        assert status_of(read_all(connection)) == 431
    time.sleep(2 * http_protocol.HEADER_SECONDS)
    assert not [record for record in caplog.records if record.name == "asyncio"]


@pytest.mark.usefixtures("impatient")
def test_a_connection_without_a_request_is_closed(address: Address) -> None:
    with socket.create_connection(address, timeout=5) as silent:
        assert silent.recv(1) == b""
    assert status_of(exchange(address, GET)) == 408
    first_then_slow = exchange(address, GET + b"\r\n", GET)
    assert status_of(first_then_slow) == 200
    too_slow = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    assert first_then_slow.endswith(too_slow)


@pytest.mark.usefixtures("impatient")
def test_a_body_may_take_longer_than_headers(address: Address) -> None:
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(POST + b"Connection: close\r\nContent-Length: 26\r\n\r\n")
        time.sleep(1)
        connection.sendall(b'{"studio_id": "chain-a-1"}')
        assert status_of(read_all(connection)) == 200


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_is_used_stays_open_past_that_time(address: Address) -> None:
    with socket.create_connection(address, timeout=0.2) as connection:
        for _ in range(4):
            connection.sendall(GET + b"\r\n")
            assert status_of(read_all(connection)) == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nContent-Length: 60\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length : 4\r\n",
        b"Content-Length: 4\r\n Content-Length: 60\r\n",
    ],
)
def test_a_request_can_not_hide_another_one(address: Address, headers: bytes) -> None:
    answer = exchange(address, POST + headers + b"\r\n" + b"0\r\n\r\n" + HIDDEN, seconds=0.5)
    assert status_of(answer) in (400, 422)
    assert b'"models"' not in answer


def test_two_requests_at_once_are_answered_in_order(address: Address) -> None:
    answer = exchange(address, GET + b"\r\n" + HIDDEN, seconds=0.5)
    assert answer.index(b'"status":"healthy"') < answer.index(b'"models"')


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "Via", "CF-Connecting-IP"]
)
def test_without_keys_nobody_comes_in_through_a_proxy(address: Address, name: str) -> None:
    for value in ("127.0.0.1", "::1", "203.0.113.9", "for=127.0.0.1", "1.1 proxy"):
        response = httpx.get(f"{url_of(address)}/api/v1/health", headers={name: value})
        assert response.status_code == 403
        assert "came through a proxy" in response.json()["detail"]


def test_with_keys_a_header_of_a_proxy_changes_nobody(tmp_path: Path) -> None:
    # Were it believed, a guesser of keys had as many addresses as it liked.
    with live(tmp_path, api_keys="k", rate_limit="3/day") as address:
        statuses = [
            httpx.get(f"{url_of(address)}/api/v1/models", headers=headers).status_code
            for headers in ({"X-API-Key": "guess", "X-Forwarded-For": f"203.0.113.{n}"} for n in range(5))
        ]
        assert statuses == [401, 401, 401, 429, 429]


def test_an_upgrade_is_no_way_around(tmp_path: Path) -> None:
    with live(tmp_path, api_keys="k") as address:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        upgrade += b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
        request = b"GET /api/v1/models HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n"
        answer = exchange(address, request, seconds=0.5)
        assert status_of(answer) == 401
