"""Access rules: API keys with studio patterns, or loopback peers only where no keys are set."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from serving.guards.addresses import is_local_name, is_loopback, peer_name
from studio_pipeline.settings import ApiKey

HEALTH = "/api/v1/health"
OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", HEALTH})
OPEN_FOLDER = "/docs/"
"""Paths that need no key, and the folder of the documentation's files."""

FORWARDED = frozenset(
    {
        b"cf-connecting-ip",
        b"forwarded",
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
    }
)
"""Headers of proxies: such a request comes from another machine."""

UNAUTHORIZED = 401


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
        """True if the studio matches any of the patterns."""
        return any(fnmatchcase(studio_id, pattern) for pattern in self.patterns)

    def require(self, studio_id: str) -> None:
        """Refuse a studio that matches none, whether it exists or not.

        Raises:
            AccessDeniedError: 403.
        """
        if not self.allows(studio_id):
            raise AccessDeniedError(403, f"This key does not open studio {studio_id!r}. Use one that does.")


EVERYTHING = Visibility(("*",))


@dataclass(frozen=True)
class Caller:
    """Caller of a request.

    Attributes:
        name: label for counting its requests; it reveals no key.
        visible: the studios that it may see.
    """

    name: str
    visible: Visibility


class AccessRules:
    """Decides on requests by their key, or by their peer where no keys are set."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = [(key.key.get_secret_value().encode(), key.studio_pattern) for key in keys]
        self._callers = {key: self._caller_with(key) for key, _ in self._keys}

    @property
    def keys_are_set(self) -> bool:
        """True if requests need a key."""
        return bool(self._keys)

    def decide(self, path: str, peer: str | None, headers: Sequence[tuple[bytes, bytes]]) -> Caller:
        """Identify the caller.

        Args:
            path: of the request.
            peer: the other side's address; None where it is unknown.
            headers: of the request, names in lower case.

        Raises:
            AccessDeniedError: 401 without one valid key; where no keys are set, 403 for a request from
                elsewhere, or one that a proxy or a web page may have brought from there.
        """
        if not self._keys:
            _require_own_machine(peer, dict(headers), [value for name, value in headers if name == b"host"])
            return Caller(peer_name(peer), EVERYTHING)
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return Caller(peer_name(peer), EVERYTHING)
        sent = [value for name, value in headers if name == b"x-api-key"]
        if len(sent) == 1 and self._opens(sent[0]):
            return self._callers[sent[0]]
        raise AccessDeniedError(401, "Send one valid API key in the header X-API-Key.")

    def _opens(self, sent: bytes) -> bool:
        # Every key is compared, so that the time taken reveals nothing about the keys.
        matches = [hmac.compare_digest(sent, key) for key, _ in self._keys]
        return any(matches)

    def _caller_with(self, key: bytes) -> Caller:
        patterns = tuple(pattern for other, pattern in self._keys if other == key)
        return Caller(f"key {hashlib.sha256(key).hexdigest()[:16]}", Visibility(patterns))


def _require_own_machine(peer: str | None, headers: Mapping[bytes, bytes], hosts: Sequence[bytes]) -> None:
    if not is_loopback(peer):
        refused = "This service answers only its own machine."
    elif not FORWARDED.isdisjoint(headers):
        refused = "This service answers only its own machine, and this request came through a proxy."
    elif not all(map(is_local_name, hosts)) or len(hosts) > 1:
        # A page from elsewhere can give its own name this machine's address, and then ask from here.
        refused = "This service answers only to its own machine's names, such as localhost."
    else:
        return
    raise AccessDeniedError(403, f"{refused} Set STUDIO_API_KEYS to open it to others.")
