"""Who may ask, and about which studios: API keys with studio patterns, or loopback peers without keys."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from studio_pipeline.settings import ApiKey

OPEN_PATHS = frozenset({"/", "/openapi.json", "/api/v1/health"})
"""Paths that need no key."""


class AccessDeniedError(Exception):
    """A request is refused: its status, and what to do about it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class Visibility:
    """The studios that a request may see, as shell patterns."""

    patterns: tuple[str, ...]

    def allows(self, studio_id: str) -> bool:
        """Whether the studio matches any of the patterns."""
        return any(fnmatchcase(studio_id, pattern) for pattern in self.patterns)

    def require(self, studio_id: str) -> None:
        """Refuse a studio that matches none, whether it exists or not.

        Raises:
            AccessDeniedError: 403.
        """
        if not self.allows(studio_id):
            raise AccessDeniedError(403, f"This key does not open studio {studio_id!r}. Use one that does.")


EVERYTHING = Visibility(("*",))


class AccessRules:
    """Decides on requests by their key, or by their peer where no keys are set."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = [(key.key.get_secret_value().encode(), key.studio_pattern) for key in keys]

    def decide(self, path: str, peer: str | None, sent_key: bytes) -> Visibility:
        """The studios that a request may see.

        Args:
            path: of the request.
            peer: the other side's address; None where it is unknown.
            sent_key: the header X-API-Key; empty where there is none.

        Raises:
            AccessDeniedError: 401 without a valid key, 403 for a peer from elsewhere where no keys are set.
        """
        if not self._keys:
            if not is_loopback(peer):
                raise AccessDeniedError(
                    403,
                    "This service answers only its own machine. Set STUDIO_API_KEYS to open it to others.",
                )
            return EVERYTHING
        if path in OPEN_PATHS:
            return EVERYTHING
        if patterns := self._patterns_of(sent_key):
            return Visibility(patterns)
        raise AccessDeniedError(401, "Send a valid API key in the header X-API-Key.")

    def _patterns_of(self, sent: bytes) -> tuple[str, ...]:
        # Every key is compared, so that the time taken tells nothing about which one came close.
        matches = [(hmac.compare_digest(sent, key), pattern) for key, pattern in self._keys]
        return tuple(pattern for match, pattern in matches if match)


@lru_cache(maxsize=1024)
def is_loopback(peer: str | None) -> bool:
    """Whether an address is this machine's own; an unknown one is not."""
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class AccessGuard:
    """ASGI middleware: refuses, or notes the visible studios in the request's state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        rules: AccessRules = scope["app"].state.services.access
        sent_key = next((value for name, value in scope["headers"] if name == b"x-api-key"), b"")
        try:
            visible = rules.decide(scope["path"], client[0] if client else None, sent_key)
        except AccessDeniedError as denied:
            await JSONResponse({"detail": denied.detail}, denied.status)(scope, receive, send)
            return
        scope.setdefault("state", {})["visible"] = visible
        await self._app(scope, receive, send)
