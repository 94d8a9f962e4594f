"""Addresses and names of the two sides of a request: which are this machine's, and who is one peer."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_PORT = re.compile(r":\d*$")


@lru_cache(maxsize=1024)
def is_loopback(peer: str | None) -> bool:
    """Whether an address is this machine's own; an unknown one is not."""
    address = _address(peer or "")
    return address is not None and address.is_loopback


@lru_cache(maxsize=1024)
def is_local_name(host: bytes) -> bool:
    """Whether nobody else can own the name of a Host header: an address, or a name without a domain."""
    name = _PORT.sub("", host.decode("latin-1")).lower()
    return "." not in name or name.endswith(".localhost") or _address(name.strip("[]")) is not None


@lru_cache(maxsize=1024)
def peer_name(peer: str | None) -> str:
    """What requests of a peer without a key are counted under: its address, or its network of IPv6."""
    address = _address(peer or "")
    if isinstance(address, ipaddress.IPv6Address):
        return f"peer {ipaddress.ip_network((address, 64), strict=False)}"
    return f"peer {address}"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; one of IPv4 in the clothes of IPv6 as it is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
