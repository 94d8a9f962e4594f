"""Admission and limits of a request: access key, rate, body size and deadlines; 500 for unexpected errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.guards.access import HEALTH, AccessRules, Caller, RefusedError, peer_name
from serving.guards.rate_limits import RateLimits
from serving.guards.request_frame import exchange_of

logger = logging.getLogger(__name__)

MAX_BYTES = 2 * 1024 * 1024
"""Of a body. A batch of 1,000 requests with every lever given is about a quarter of this."""

BODY_SECONDS = 15.0  # time from the end of a request's headers to the end of its body
ANSWER_SECONDS = 60.0  # time from the end of a request's body to the end of its answer
LOOK_SECONDS = 0.25  # interval in which the deadlines are looked at
TOO_LARGE = f"The body is larger than {MAX_BYTES:,} bytes. Send less at once."
TOO_SLOW = "The body did not arrive in time. Send it again, over a faster line or in smaller parts."
NO_ANSWER = "The answer took too long and was given up. Ask for less at once, or again later."
ENCODED = "The body is compressed or encoded. Send it as it is, without the header Content-Encoding."
NO_LENGTH = "The header Content-Length is no number. Leave it to your HTTP library."
BUG = "Something went wrong inside the service. Its log has the details; please report it."

CLOSE = {"Connection": "close"}  # the rest of a refused body is not worth reading


class RequestGuard:
    """ASGI middleware inside `RequestFrame`; responds with 401, 403, 429, 400, 413, 415, 408, 503 or 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with its caller in its state."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers, services = dict(scope["headers"]), scope["app"].state.services
            scope["state"]["caller"] = await _admitted(scope, services.access, services.rates)
            _require_plain_body(headers)
            has_body = b"content-length" in headers or b"transfer-encoding" in headers
            await self._limited(scope, receive, send, has_body=has_body)
        except RefusedError as refused:
            await _problem(refused.status, refused.detail, refused.headers)(scope, receive, send)
        except Exception:
            # An answer that has begun can only be cut off, so that it is not taken for complete.
            if exchange_of(scope).status:
                raise
            logger.exception("A bug: please report it.")
            await _problem(500, BUG)(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, *, has_body: bool) -> None:
        deadlines: Deadlines = scope["app"].state.services.deadlines
        try:
            async with asyncio.timeout(None) as timeout:
                deadlines.set(timeout, BODY_SECONDS if has_body else ANSWER_SECONDS)
                body = IncomingBody(receive, partial(deadlines.set, timeout), complete=not has_body)
                await self._app(scope, body.receive, send)
        except TimeoutError:
            if not timeout.expired() or exchange_of(scope).status:
                raise
            late = _problem(503, NO_ANSWER) if body.complete else _problem(408, TOO_SLOW, CLOSE)
            await late(scope, receive, send)
        finally:
            deadlines.forget(timeout)


class Deadlines:
    """Deadlines of the requests in progress; timers of their own would take 6 % of a forward answer."""

    def __init__(self) -> None:
        self._at: dict[asyncio.Timeout, float] = {}

    def set(self, timeout: asyncio.Timeout, seconds: float) -> None:
        """Let a time-out expire after some seconds, or up to `LOOK_SECONDS` later."""
        self._at[timeout] = time.monotonic() + seconds

    def forget(self, timeout: asyncio.Timeout) -> None:
        """Let it not expire any more."""
        self._at.pop(timeout, None)

    async def watch(self) -> None:
        """For ever let expire what is due."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for timeout in [timeout for timeout, at in self._at.items() if at <= now]:
                del self._at[timeout]
                timeout.reschedule(0.0)


class IncomingBody:
    """A request body that counts its bytes, and sets the answer's deadline once it is complete."""

    def __init__(self, receive: Receive, set_deadline: Callable[[float], None], *, complete: bool) -> None:
        self._receive = receive
        self._set_deadline = set_deadline
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
            if self._bytes > MAX_BYTES:
                raise HTTPException(413, TOO_LARGE, CLOSE)
            if not message.get("more_body", False):
                self.complete = True
                self._set_deadline(ANSWER_SECONDS)
        return message


async def _admitted(scope: Scope, access: AccessRules, rates: RateLimits) -> Caller:
    """The caller of a request, which is counted; guesses at keys are counted by peer."""
    path, peer = scope["path"], (scope.get("client") or (None,))[0]
    try:
        caller = access.decide(path, peer, scope["headers"])
    except RefusedError as denied:
        if denied.status == 401:
            await rates.take(peer_name(peer))
        raise
    if path != HEALTH:
        await rates.take(caller.name)
    return caller


def _require_plain_body(headers: dict[bytes, bytes]) -> None:
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise RefusedError(400, NO_LENGTH)
    if int(length) > MAX_BYTES:
        raise RefusedError(413, TOO_LARGE)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RefusedError(415, ENCODED)


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)
