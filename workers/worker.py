"""How do the parts of a worker come together, live and end?"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from contract.messages import Hello
from contract.redis_url import DEFAULT_PORT, place
from contract.report import Health
from contract.signing import FleetKey
from contract.units import format_rate
from workers import guard, health
from workers.agent import Agent
from workers.bundle import Bundles
from workers.clock import RedisClock
from workers.engine import Engine
from workers.gate import Gate
from workers.link import Link
from workers.preparation import Preparer
from workers.probe import Identity
from workers.selftest.bench import Bench, Parts, SelfTestFailed, serving
from workers.selftest.measure import quick
from workers.selftest.rates import UNKNOWN, Rates, given, host_key, of_host
from workers.waiting import at_most

TICK_S = 0.02
IDLE_TICK_S = 0.1
LEAVE_S = 0.6
"""Users, and then the link, may take this long each when the process ends."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """`allowed`: HOST:PORT that this worker may put load on, besides loopback.

    A worker that is told to go has `leave_within_s` to finish the probe it is in. With `bundles` it
    runs code that the controller sends.
    """

    redis_url: str
    worker: str
    allowed: tuple[str, ...]
    parent_pid: int | None = None
    leave_within_s: float = 0.0
    key: FleetKey | None = None
    bundles: bool = False


class Worker:
    """One process: `run` until `stop`."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self._options = options
        self._identity = Identity(options.worker, uuid.uuid4().hex[:12])
        self._ending: str | None = None
        self._leave_at_s = math.inf
        self._guard = guard.install(())
        self._let_redis(options.redis_url)
        self._clock = RedisClock()
        self._link = Link(options.redis_url, self._clock, options.key)
        self._gate = Gate()
        self._engine = Engine(self._gate, self._guard.names)
        redis_ports = _ports_of(options.redis_url)
        self._health = health.watching(self._clock, lambda: self._engine.users, not_to=redis_ports)
        self._bundles = Bundles(on=options.bundles, signed=options.key is not None)
        self._environment = environment
        self._preparer = Preparer(
            self._identity,
            self._engine,
            self._guard,
            self._link,
            allowed=options.allowed,
            environment=environment,
            limits=self._health.limits,
            bundles=self._bundles,
        )
        self._agent = Agent(
            self._identity,
            self._link,
            self._clock,
            self._gate,
            self._engine,
            preparer=self._preparer,
            health=self._health,
        )
        self._version = own_version()
        self._host_key = host_key(self._version, self._health.limits.cores)

    def run(self) -> int:
        """Obey messages until told to stop; gives the exit status."""
        log.info("worker %s serves Redis at %s", self._identity.worker, place(self._redis_url))
        self._preparer.rates = self._rates()
        self._link.start(self._hello)
        try:
            while not self._may_leave():
                self._step()
        except Exception:
            log.exception("worker %s cannot go on", self._identity.worker)
            self._leave("an internal error")
            return 1
        self._leave(self._ending or "")
        return 0

    def _rates(self) -> Rates:
        """What this worker can send; measured, if nobody on this host has."""
        try:
            found = given(self._environment) or of_host(self._self_test, self._host_key)
        except SelfTestFailed as error:
            log.warning("what this host can send is not known: %s", error)
            return UNKNOWN
        known = ", ".join(f"{format_rate(rate)} with {kind}" for kind, rate in found.told)
        log.info("this worker can send %s (by %s)", known, found.source)
        return found

    def _self_test(self) -> Mapping[str, float]:
        parts = Parts(self._gate, self._engine, self._guard, self._health.garbage)
        with serving() as ports:
            return quick(Bench(parts, ports), self._health.limits.cores)

    def stop(self, reason: str, *, within_s: float | None = None) -> None:
        """Have `run` return when the probe has ended, or `within_s` (the options' time) is over."""
        within_s = self._options.leave_within_s if within_s is None else within_s
        self._ending = self._ending or reason
        self._leave_at_s = min(self._leave_at_s, time.monotonic() + within_s)

    def _may_leave(self) -> bool:
        if self._ending is None:
            return False
        return self._agent.probe is None or time.monotonic() >= self._leave_at_s

    def _step(self) -> None:
        message = self._link.receive(TICK_S if self._agent.is_busy else IDLE_TICK_S)
        if message is not None:
            self._agent.obey(message)
        self._agent.tick()
        if not self._link.alive:
            raise RuntimeError("the link to Redis has ended")
        if self._options.parent_pid not in (None, os.getppid()):
            self.stop("the parent process has ended", within_s=0.0)

    @property
    def _redis_url(self) -> str:
        return self._options.redis_url

    def _leave(self, reason: str) -> None:
        log.info("worker %s ends: %s", self._identity.worker, reason)
        self._agent.shut_down(reason)
        with at_most(LEAVE_S):
            self._engine.release(LEAVE_S / 2)
        self._bundles.clear()
        self._link.close(self._identity.worker, LEAVE_S)
        self._health.close()

    def _hello(self) -> Hello:
        return Hello(
            worker=self._identity.worker,
            boot=self._identity.boot,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self._version,
            rate_per_s=self._preparer.rates.of(),
            targets=self._options.allowed,
            run=self._agent.run,
            probe=self._agent.probe,
            health=self._health.read() if self._agent.probe is None else Health(),
            kinds=self._preparer.rates.told,
            key_id="" if self._options.key is None else self._options.key.id,
        )

    def _let_redis(self, url: str) -> None:
        for port in _ports_of(url):
            self._guard.also(urlsplit(url).hostname or "127.0.0.1", port)


def _ports_of(url: str) -> tuple[int, ...]:
    """The port that Redis is at, if it is at one."""
    parts = urlsplit(url)
    return () if parts.scheme == "unix" else (parts.port or DEFAULT_PORT,)


def own_version() -> str:
    """Of this package."""
    try:
        return version("tonnage")
    except PackageNotFoundError:
        return "0"
