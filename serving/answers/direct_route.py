"""One route without the framework's own way to it, which takes longer than the answer.

What is in order is answered directly; everything else goes the framework's way, with what was read of the
body, so that a refusal is the framework's to the last letter, and so is the document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.answers.replies import Reply
from serving.errors import answer_refusal
from serving.guards.access import AccessDeniedError
from serving.guards.strict_json import read_json
from studio_pipeline.errors import StudioError

JSON = b"application/json"


class DirectRoute:
    """ASGI middleware, the innermost: answers the requests of one `POST` route that are in order.

    Args:
        app: what answers all others, and knows the route too.
        path: of the route.
        model: of its body.
        reply: its answer.
        note: what is done about an answer once it is on its way.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        model: type[BaseModel],
        reply: Callable[[Any, Request], Awaitable[Reply]],
        note: Callable[[Any, Request, Reply], None],
    ) -> None:
        self._app = app
        self._path = path
        self._model = model
        self._reply = reply
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on as if nobody had looked at it."""
        if not self._takes(scope):
            await self._app(scope, receive, send)
            return
        incoming = _Incoming(receive)
        request = Request(scope)
        if (body := await self._body(incoming)) is None:
            await self._app(scope, incoming.again, send)
            return
        try:
            reply = await self._reply(body, request)
        except (StudioError, AccessDeniedError) as refusal:
            response = await answer_refusal(request, refusal)
            await response(scope, receive, send)
            return
        try:
            await _send(reply.content, send)
        finally:
            self._note(body, request, reply)

    def _takes(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["path"] == self._path
            and scope["method"] == "POST"
            and not scope["query_string"]
            and (b"content-type", JSON) in scope["headers"]
        )

    async def _body(self, incoming: _Incoming) -> BaseModel | None:
        """The request; None where there is a word to say about it."""
        try:
            return self._model.model_validate(read_json(await incoming.body()))
        # No JSON, too much of it, nested too deeply, or not what the model takes.
        except (HTTPException, ValidationError, ValueError, RecursionError):
            return None


async def _send(content: bytes, send: Send) -> None:
    headers = [(b"content-length", str(len(content)).encode()), (b"content-type", JSON)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class _Incoming:
    """A body that can be read a second time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen: list[Message] = []
        self._refusal: HTTPException | None = None

    async def body(self) -> bytes:
        """All of it; what has come so far, where the other side has gone."""
        more = True
        while more:
            message = await self._next()
            self._seen.append(message)
            more = message.get("more_body", False)
        return b"".join(message.get("body", b"") for message in self._seen)

    async def again(self) -> Message:
        """The next message, from the first one on."""
        return self._seen.pop(0) if self._seen else await self._next()

    async def _next(self) -> Message:
        """What comes next; what has been refused once is refused again."""
        try:
            if self._refusal is None:
                return await self._receive()
        except HTTPException as refusal:
            self._refusal = refusal
        raise self._refusal
