"""The direct way to the forward route answers as the framework's way does."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_forecaster import load_fake, publish_fake
from processes import LOOPBACK
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from serving.answers.direct_route import DirectRoute
from serving.app import create_app
from serving.schemas.forward import ForwardRequest
from studio_pipeline.settings import read_settings

FORWARD = "/api/v1/predict/forward"
JSON = {"Content-Type": "application/json"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BODIES = {
    "good": b'{"studio_id": "chain-a-1", "projection_months": 12, "levers": {"avg_ticket_price": 120}}',
    "byte-order mark": b'\xef\xbb\xbf{"studio_id": "chain-a-1"}',
    "unknown studio": b'{"studio_id": "nobody"}',
    "later month": b'{"studio_id": "chain-a-1", "base_month": "2030-01-01"}',
    "wrong type": b'{"studio_id": 3}',
    "unknown field": b'{"studio_id": "chain-a-1", "unknown": 1}',
    "no object": b"[1, 2]",
    "no JSON": b'{"studio_id": ',
    "NaN": b'{"studio_id": "chain-a-1", "levers": {"avg_ticket_price": NaN}}',
    "twice": b'{"studio_id": "chain-a-1", "studio_id": "chain-a-2"}',
    "no UTF-8": b'{"studio_id": "\xff"}',
    "deep": b'{"studio_id": ' + b"[" * 100_000,
    "too large": b'{"studio_id": "' + b"x" * (2 * 1024 * 1024),
    "empty": b"",
}


def client_of(home: Path, *, direct: bool) -> TestClient:
    app = create_app(read_settings(env_file=None, home=home), load_fake)
    if not direct:
        app.guards = [guard for guard in app.guards if guard.cls is not DirectRoute]
    return TestClient(app, client=LOOPBACK, raise_server_exceptions=False)


def told(client: TestClient, **request: Any) -> tuple[int, str, dict[str, str]]:
    response = client.post(FORWARD, **request)
    headers = {k: v for k, v in response.headers.items() if k not in ("x-request-id", "date")}
    return response.status_code, UUID.sub("UUID", response.text), headers


def in_parts(body: bytes) -> Any:
    """The body without a length, as it may come over a slow line."""
    return iter([body[:7], body[7:]])


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("headers", [JSON, {"Content-Type": "text/plain"}, {}])
@pytest.mark.parametrize("parts", [False, True])
def test_both_ways_answer_alike(tmp_path: Path, name: str, headers: dict[str, str], parts: bool) -> None:
    publish_fake(tmp_path, 1)
    with client_of(tmp_path, direct=True) as direct, client_of(tmp_path, direct=False) as framework:
        asked = [in_parts(BODIES[name]) if parts else BODIES[name] for _ in range(2)]
        one, other = (
            told(client, content=content, headers=headers)
            for client, content in zip((direct, framework), asked, strict=True)
        )
    assert one == other


def test_the_direct_way_is_taken_for_what_is_in_order_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_fake(tmp_path, 1)
    taken: list[bool] = []
    body = DirectRoute._body

    async def noted(self: DirectRoute, *arguments: Any) -> Any:
        found = await body(self, *arguments)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(DirectRoute, "_body", noted)
    with client_of(tmp_path, direct=True) as client:
        told(client, content=BODIES["good"], headers=JSON)
        told(client, content=BODIES["wrong type"], headers=JSON)
        told(client, content=BODIES["good"], headers={"Content-Type": "text/plain"})
        client.get(FORWARD)
    assert taken == [True, False]


def test_a_bug_is_told_once_and_not_hidden(tmp_path: Path) -> None:
    publish_fake(tmp_path, 1)
    with client_of(tmp_path, direct=True) as client:
        status, text, _ = told(client, json={"studio_id": "bug"})
    assert status == 500
    assert "secret" not in text


class Conversation:
    """One request, and in which order it is answered and noted; the peer may have gone by then."""

    def __init__(self, *, peer_has_gone: bool) -> None:
        self.told: list[str] = []
        self.peer_has_gone = peer_has_gone

    async def receive(self) -> Message:
        return {"type": "http.request", "body": BODIES["good"]}

    async def send(self, message: Message) -> None:
        if self.peer_has_gone:
            raise OSError("gone")
        self.told.append(message["type"])

    async def reply(self, _: ForwardRequest, __: Request) -> Any:
        return SimpleNamespace(content=b"{}")

    def note(self, *_: object) -> None:
        self.told.append("noted")


@pytest.mark.parametrize("peer_has_gone", [False, True])
def test_an_answer_is_noted_once_it_is_on_its_way(peer_has_gone: bool) -> None:
    conversation = Conversation(peer_has_gone=peer_has_gone)

    async def elsewhere(*_: object) -> None:
        raise AssertionError("the framework is asked")

    route = DirectRoute(elsewhere, FORWARD, ForwardRequest, conversation.reply, conversation.note)
    scope = {"type": "http", "path": FORWARD, "method": "POST", "query_string": b""}
    scope["headers"] = [(b"content-type", b"application/json")]
    with suppress(OSError):
        asyncio.run(route(scope, conversation.receive, conversation.send))
    sent = [] if peer_has_gone else ["http.response.start", "http.response.body"]
    assert conversation.told == [*sent, "noted"]
