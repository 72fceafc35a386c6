"""May this goal run here: is its target allowed, does its user exist, is its recording whole?"""

from __future__ import annotations

import ast
import difflib
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from contract.address import AddressError, host_port, is_loopback
from controller.api.schemas.reading import Rules

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"

_LONGEST_LOCUSTFILE_BYTES = 1024 * 1024


class Unfit(ValueError):
    """A value that reads well but cannot be used here; the text says what to do."""


def rules(
    allowed: Iterable[str], locustfiles: Path = LOCUSTFILES, *, bundles: bool = False
) -> Rules:
    """What a controller holds goals to; `allowed` are HOST:PORT beside loopback."""
    named = frozenset(entry.lower() for entry in allowed)
    return Rules(
        check_target=lambda target: check_target(target, named),
        check_user=lambda user: check_user(user, locustfiles),
        check_url=lambda url: check_target(url, named),
        bundles=bundles,
    )


def simulation_rules() -> Rules:
    """What `simulate` holds goals to: only sim:// targets; no user runs, so any name will do."""
    return Rules(
        check_target=_check_simulated,
        check_user=lambda _: None,
        simulating=True,
        check_url=_check_loopback,
    )


def check_target(target: str, allowed: frozenset[str]) -> None:
    """Refuse what is not an http(s) URL of an allowed host and port.

    Raises:
        Unfit: with what would be right.
    """
    if target.startswith("sim://"):
        raise Unfit(
            f"{target!r} is simulated: run it with python -m controller simulate GOAL.yaml, or "
            "give an http:// URL"
        )
    url = _split(target)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Unfit(f"{target!r} is not an http or https URL: write http://HOST:PORT")
    if url.username is not None or url.password is not None:
        raise Unfit("carries a user or password: give them as headers: {Authorization: ${NAME}}")
    if url.query or url.fragment:
        raise Unfit(f"{target!r} has a query or fragment: write http://HOST:PORT and a path")
    address = host_port(target)
    if not is_loopback(address) and address not in allowed:
        raise Unfit(
            f"{target!r} is not an allowed target: start the controller with "
            f"--allow-target {address}"
        )


def check_user(user: str, locustfiles: Path) -> None:
    """Refuse a name that is not in `locustfiles`, or a readable path that is not Python.

    A path that cannot be read here is left to the workers, who load it in preflight.

    Raises:
        Unfit: with what would be right.
    """
    if "/" in user or user.endswith(".py"):
        _check_syntax(user)
        return
    known = sorted(p.stem for p in locustfiles.glob("*.py") if not p.stem.startswith("_"))
    if user in known:
        return
    near = difflib.get_close_matches(user, known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(known)} or a path"
    raise Unfit(f"{user!r} is not in locustfiles/: {fix}")


def _check_syntax(user: str) -> None:
    path = Path(user)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):  # a pipe would keep us, a device never ends
        raise Unfit(f"{user!r} is not a regular file: name a locustfile")
    try:
        with path.open("rb") as file:
            source = file.read(_LONGEST_LOCUSTFILE_BYTES + 1)
    except OSError:
        return
    if len(source) > _LONGEST_LOCUSTFILE_BYTES:
        limit = f"{_LONGEST_LOCUSTFILE_BYTES // 1024**2} MiB"
        raise Unfit(f"{user!r} is larger than {limit}: name a locustfile, and keep data beside it")
    try:
        ast.parse(source, filename=path.name)
    except SyntaxError as error:
        raise Unfit(
            f"{user!r} has a syntax error in line {error.lineno}: {error.msg}: correct the file"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unfit(f"{user!r} is not a Python file: name a locustfile") from error


def _check_simulated(target: str) -> None:
    if not target.startswith("sim://"):
        raise Unfit(
            f"{target!r} is not simulated: write one such as "
            "sim://batch?base=20ms&per_item=2.5ms&max_batch=16, or use tonnage search"
        )


def _check_loopback(url: str) -> None:
    try:
        local = is_loopback(host_port(url))
    except AddressError as error:
        raise Unfit(
            f"{url!r} is not a URL: write one such as http://127.0.0.1:9000/next"
        ) from error
    if not local:
        raise Unfit(f"{url!r} is not on this machine, and simulate asks nobody else")
    check_target(url, frozenset())


def _split(target: str) -> SplitResult:
    try:
        url = urlsplit(target)
        _ = url.port  # reading it checks it
    except ValueError as error:
        raise Unfit(f"{target!r} is not a URL: {error}: write http://HOST:PORT") from error
    return url
