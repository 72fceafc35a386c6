"""What can this worker send, and does it have to find out?

The first worker of a host measures it, under a lock, and leaves it in a file for those that come
after. An operator who knows better says so in the environment.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import platform
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent

from contract.units import Rate, UnitError, parse_rate
from workers.clients.kinds import INFERENCE, KINDS, OF_ITS_OWN

RATE_VARIABLE = "TONNAGE_WORKER_RATE"
OWN_RATIO = 0.5
"""A User class with a client of its own is counted on for so much of the quickest client's rate."""
FILE, LOCK = "self-test.json", "self-test.lock"
KEPT = 8
"""Hosts in one file: a home folder may be shared."""
LOCK_S = 10.0
POLL_S = 0.05

log = logging.getLogger(__name__)


class RateInvalid(ValueError):
    """What the operator has written is no rate."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Arrivals/s by client; empty: not known. `source` says where they come from."""

    by_kind: Mapping[str, float]
    source: str

    def of(self, kinds: Collection[str] = (INFERENCE,)) -> Rate:
        """The rate of the slowest of these clients; 0: not known."""
        known = dict(self.by_kind)
        if INFERENCE in known:
            known.setdefault(OF_ITS_OWN, OWN_RATIO * known[INFERENCE])
        return Rate(min((known.get(kind, 0.0) for kind in kinds), default=0.0))

    @property
    def told(self) -> tuple[tuple[str, Rate], ...]:
        """As a hello has them."""
        return tuple((kind, Rate(rate)) for kind, rate in self.by_kind.items())


UNKNOWN = Rates({}, "nothing")


def given(environment: Mapping[str, str]) -> Rates | None:
    """The operator's word, for every client alike.

    Raises:
        RateInvalid: it is no rate.
    """
    text = environment.get(RATE_VARIABLE, "").strip()
    if not text:
        return None
    try:
        rate = parse_rate(text)
    except UnitError as error:
        raise RateInvalid(f"{RATE_VARIABLE}: {error}") from error
    return Rates(dict.fromkeys(KINDS, rate), RATE_VARIABLE)


def of_host(
    measure: Callable[[], Mapping[str, float]], key: str, folder: Path | None = None
) -> Rates:
    """The rates of this host, measured if nobody has; never raises for what is on the disk."""
    folder = folder or cache_folder()
    found = _read(folder).get(key)
    if found is None:
        with _locked(folder):
            found = _read(folder).get(key)  # somebody may have measured meanwhile
            if found is None:
                return Rates(_kept(folder, key, measure()), "a self-test at its start")
    return Rates(found, str(folder / FILE))


def keep(rates: Mapping[str, float], key: str, folder: Path | None = None) -> None:
    """Leave what was measured for workers to come."""
    folder = folder or cache_folder()
    with _locked(folder):
        _kept(folder, key, rates)


def host_key(version: str, quota_cores: float | None) -> str:
    """What the rates depend on, as text."""
    quota = "no quota" if quota_cores is None else f"quota {quota_cores:g}"
    cores = os.cpu_count() or 1
    return f"{cpu_model()}, {cores} cores, {quota}, {version}, Python {platform.python_version()}"


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name."""
    with suppress(OSError):
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "Processor"):
                return value.strip()
    return platform.processor() or platform.machine()


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tonnage"


def _read(folder: Path) -> dict[str, dict[str, float]]:
    """All that is known, by host; nothing when the file is absent or not ours."""
    try:
        document: Any = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return {
            str(key): {str(kind): float(rate) for kind, rate in rates.items()}
            for key, rates in document.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _kept(folder: Path, key: str, rates: Mapping[str, float]) -> Mapping[str, float]:
    known = _read(folder)
    known.pop(key, None)
    latest = dict(list(known.items())[-KEPT + 1 :]) | {key: dict(rates)}
    draft = folder / f"{FILE}.{os.getpid()}"
    try:
        draft.write_text(json.dumps(latest, indent=1), encoding="utf-8")
        draft.replace(folder / FILE)
    except OSError as error:
        log.info("the self-test is not kept: %s", error)
    return rates


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone on this host while inside, or after `LOCK_S`, or where there is no folder for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError:
        yield
        return
    with lock:
        with suppress(OSError):
            _wait_for(lock.fileno())
        yield


def _wait_for(fd: int) -> None:
    for _ in range(round(LOCK_S / POLL_S)):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            gevent.sleep(POLL_S)
        else:
            return
