"""Headers that tell a browser to do nothing with an answer but show it."""

from __future__ import annotations

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
"""On every answer, where its route sets no such header of its own."""


def with_security_headers(own: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of an answer and, of ours, those that it lacks."""
    headers = list(own)
    names = {name for name, _ in headers}
    headers += [header for header in SECURITY_HEADERS if header[0] not in names]
    return headers
