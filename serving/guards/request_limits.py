"""How large a request may be, how long it may take to arrive, and how long its answer may take."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.guards.deadlines import Deadline, Deadlines
from serving.guards.exchanges import exchange_of

MOST_BYTES = 2 * 1024 * 1024
"""Of a body. A batch of 1,000 requests with every lever given is about a quarter of this."""

BODY_SECONDS = 15.0
"""From the end of a request's headers to the end of its body."""

ANSWER_SECONDS = 60.0
"""From the end of a request's body to the end of its answer."""

TOO_LARGE = f"The body is larger than {MOST_BYTES:,} bytes. Send less at once."
TOO_SLOW = "The body did not arrive in time. Send it again, over a faster line or in smaller parts."
NO_ANSWER = "The answer took too long and was given up. Ask for less at once, or again later."
ENCODED = "The body is compressed or encoded. Send it as it is, without the header Content-Encoding."
NO_LENGTH = "The header Content-Length is no number. Leave it to your HTTP library."


class RequestLimits:
    """ASGI middleware: 413, 415, 408 and 503 for a body without end and an answer that never comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._deadlines = Deadlines()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass the request on for as long as it may take."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if (refusal := _refusal(headers)) is not None:
            await refusal(scope, receive, send)
            return
        has_body = b"content-length" in headers or b"transfer-encoding" in headers
        try:
            with self._deadlines.within(BODY_SECONDS if has_body else ANSWER_SECONDS) as deadline:
                body = IncomingBody(receive, deadline, complete=not has_body)
                await self._app(scope, body.receive, send)
        except TimeoutError:
            if not deadline.missed or exchange_of(scope).answer_has_begun:
                raise
            late = _problem(503, NO_ANSWER) if body.complete else _problem(408, TOO_SLOW, CLOSE)
            await late(scope, receive, send)


class IncomingBody:
    """A body on its way in: counted, and with a deadline that becomes the answer's once it is complete."""

    def __init__(self, receive: Receive, deadline: Deadline, *, complete: bool) -> None:
        self._receive = receive
        self._deadline = deadline
        self._bytes = 0
        self.complete = complete

    async def receive(self) -> Message:
        """The next part.

        Raises:
            HTTPException: 413, the parts so far are too many bytes.
        """
        message = await self._receive()
        if not self.complete and message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            if self._bytes > MOST_BYTES:
                raise HTTPException(413, TOO_LARGE, CLOSE)
            if not message.get("more_body", False):
                self.complete = True
                self._deadline.at = asyncio.get_running_loop().time() + ANSWER_SECONDS
        return message


CLOSE = {"Connection": "close"}
"""What is left of a body would be read to its end for nothing."""


def _refusal(headers: dict[bytes, bytes]) -> JSONResponse | None:
    """The answer to a request whose headers say already that its body can't be taken."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        return _problem(400, NO_LENGTH)
    if int(length) > MOST_BYTES:
        return _problem(413, TOO_LARGE)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return _problem(415, ENCODED)
    return None


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
