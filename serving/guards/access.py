"""Access rules: API keys with studio patterns, or loopback peers only where no keys are set."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from studio_pipeline.settings import ApiKey

HEALTH = "/api/v1/health"
OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json", HEALTH})
OPEN_FOLDER = "/docs/"
"""Paths that need no key, and the folder of the documentation's files."""

FORWARDED = frozenset(
    b"cf-connecting-ip forwarded true-client-ip via x-client-ip x-forwarded-for x-forwarded-host"
    b" x-forwarded-proto x-forwarded-server x-real-ip".split()
)
"""Headers of proxies: such a request comes from another machine."""

_PORT = re.compile(r":\d*$")


class RefusedError(Exception):
    """A request is refused: its status, what to do about it, and headers of the answer."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


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
            RefusedError: 403.
        """
        if not self.allows(studio_id):
            raise RefusedError(403, f"This key does not open studio {studio_id!r}. Use one that does.")


EVERYTHING = Visibility(("*",))


@dataclass(frozen=True)
class Caller:
    """Caller of a request."""

    name: str  # label for counting its requests; it reveals no key
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
        """Identify the caller; names of headers are in lower case.

        Raises:
            RefusedError: 401 without one valid key; where no keys are set, 403 for a request from
                elsewhere, or one that a proxy or a web page may have brought from there.
        """
        if not self._keys:
            _require_own_machine(peer, dict(headers), [value for name, value in headers if name == b"host"])
            return Caller(peer_name(peer), EVERYTHING)
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return Caller(peer_name(peer), EVERYTHING)
        sent = [value for name, value in headers if name == b"x-api-key"]
        # Every key is compared, so that the time taken reveals nothing about the keys.
        matches = [hmac.compare_digest(sent[0], key) for key, _ in self._keys] if len(sent) == 1 else []
        if any(matches):
            return self._callers[sent[0]]
        raise RefusedError(401, "Send one valid API key in the header X-API-Key.")

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
    raise RefusedError(403, f"{refused} Set STUDIO_API_KEYS to open it to others.")


@lru_cache(maxsize=1024)
def is_loopback(peer: str | None) -> bool:
    """True if an address is this machine's own; an unknown one is not."""
    address = _address(peer or "")
    return address is not None and address.is_loopback


@lru_cache(maxsize=1024)
def is_local_name(host: bytes) -> bool:
    """True if a Host header is an address or a name without a domain, which no other party can own."""
    name = _PORT.sub("", host.decode("latin-1")).lower()
    return "." not in name or name.endswith(".localhost") or _address(name.strip("[]")) is not None


@lru_cache(maxsize=1024)
def peer_name(peer: str | None) -> str:
    """Label for counting requests of a peer without a key: its IPv4 address or IPv6 network."""
    address = _address(peer or "")
    if isinstance(address, ipaddress.IPv6Address):
        return f"peer {ipaddress.ip_network((address, 64), strict=False)}"
    return f"peer {address}"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # An IPv4-mapped IPv6 address as IPv4.
    return getattr(address, "ipv4_mapped", None) or address
