"""Which Redis does a URL name, and may one be used that others can reach?"""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from contract.address import is_loopback
from contract.signing import KEY_VARIABLE

SCHEMES = ("redis://", "rediss://", "unix://")
DEFAULT_PORT = 6379


def place(url: str) -> str:
    """HOST:PORT of a Redis URL, or the path of its socket, without its password.

    Raises:
        ValueError: the port is no number.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return unquote(parts.path)
    host = parts.hostname or "127.0.0.1"
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or DEFAULT_PORT}"


def refusal(url: str, *, has_key: bool) -> str | None:
    """Why this Redis is not used: it is on another host, and without a password or a fleet key.

    The sentence has the fix, and not the URL, which may hold a password.

    Raises:
        ValueError: the URL cannot be read.
    """
    parts = urlsplit(url)
    where = place(url)
    if parts.scheme == "unix" or is_loopback(where):
        return None
    asked = parse_qs(parts.query)
    if not (parts.password or asked.get("password")):
        return (
            f"Redis at {where} is on another host, and the URL has no password: whoever reaches it "
            "could aim the fleet; give it users (deploy/redis/users.acl) and write "
            "rediss://USER:PASSWORD@HOST:PORT/0"
        )
    if not has_key:
        return (
            f"Redis at {where} is on another host: set {KEY_VARIABLE} to one secret for the "
            "controller and every worker, such as what `openssl rand -hex 32` prints"
        )
    return None
