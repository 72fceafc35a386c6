"""Which host and port does a target's URL name, written the way allow-lists are?"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}


class AddressError(ValueError):
    """A target that is no URL with a host and a port."""


def host_port(target: str) -> str:
    """HOST:PORT of a target's URL, the port spelled out, an IPv6 address in brackets.

    Raises:
        AddressError: naming the text and what would be right.
    """
    try:
        parts = urlsplit(target)
        port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError as error:
        raise AddressError(f"target {target!r} is not a URL: {error}") from error
    if not parts.hostname or port is None:
        raise AddressError(f"target {target!r} is not a URL such as http://127.0.0.1:9100")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{port}"


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT names this machine and no other."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_allowed(target: str, allowed: frozenset[str]) -> bool:
    """Whether load may go there, or questions: loopback, or HOST:PORT named in `allowed`.

    Raises:
        AddressError: it is no URL.
    """
    address = host_port(target)
    return is_loopback(address) or address in allowed
