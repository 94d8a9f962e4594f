"""Addresses and host names of a request's two sides: loopback, local names, and the label of a peer."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_PORT = re.compile(r":\d*$")


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
    """The address of a text; an IPv4-mapped IPv6 address as IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
