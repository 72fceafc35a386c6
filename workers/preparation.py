"""Can this worker take part in a run, and what does it say if not?"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from contract.laws import ArrivalsError
from contract.messages import Prepare, Ready
from contract.objectives import ObjectiveError, parse_objective
from contract.recorded import Recorded, parse_times
from contract.report import Connected
from contract.units import Rate
from workers import allow
from workers.bundle import Bundles
from workers.clients.tls import tls_of
from workers.clock import NS_PER_S, Now, monotonic_ns
from workers.headers import resolve_headers
from workers.judge import Judge
from workers.limits import Limits, Need, shortages
from workers.order import CannotPrepare, Loaded, Order
from workers.probe import Identity
from workers.selftest.rates import UNKNOWN

PREPARE_S = 25.0
"""All of it may take this long: the controller waits for little more."""
START_S = 15.0
"""Of that, on_start of the first users."""
FIRST_USERS = (10, 200)
DEFAULT_LIMIT_S = 1.0
IN_FLIGHT_LIMITS = 3.0
"""As many of the longest latency limits, and `BEYOND_TIMEOUT_S`, of load may be in flight."""
BEYOND_TIMEOUT_S = 2.0
"""The cap of arrivals in flight is that much load more than fits into the time-out."""

log = logging.getLogger(__name__)


class Store(Protocol):
    """Where artefacts are."""

    def artefact(self, sha256: str) -> bytes | None:
        """The bytes; raises OSError when the store does not answer."""


class Loader(Protocol):
    """What preparation needs of `workers.engine.Engine`."""

    @property
    def users(self) -> int: ...

    def load(self, order: Order) -> Loaded: ...

    def spawn(self, count: int, timeout_s: float) -> str | None: ...

    def want_users(self, count: int) -> None: ...

    def check(self, timeout_s: float) -> str | None: ...

    def start_slow(self, count: int, timeout_s: float) -> str | None: ...

    def settled(self) -> None: ...

    def connections(self) -> tuple[Connected, ...]: ...

    def release(self, timeout_s: float = ...) -> None: ...


class Allowing(Protocol):
    """What preparation needs of `workers.guard.Guard`."""

    def update(self, allowed: Iterable[str], resolve_s: float | None = ...) -> None: ...

    def reset(self) -> None: ...


class Preparer:
    """Loads the user of a run, and lets it go again."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        identity: Identity,
        engine: Loader,
        guard: Allowing,
        store: Store,
        *,
        allowed: tuple[str, ...],
        environment: Mapping[str, str],
        limits: Limits | None = None,
        bundles: Bundles | None = None,
        now: Now = monotonic_ns,
    ) -> None:
        self.allowed = allowed
        self.rates = UNKNOWN
        self._limits = limits or Limits()
        self._bundles = bundles or Bundles()
        self.recorded: Recorded | None = None
        self._identity = identity
        self._engine = engine
        self._guard = guard
        self._store = store
        self._environment = environment
        self._now = now

    def prepare(self, message: Prepare) -> Ready:
        """Load, start users, and when asked check the target; waits for all of it."""
        try:
            loaded = self._load(message)
        except (CannotPrepare, ValueError) as error:
            log.warning("run %s: not prepared: %s", message.run, error)
            self.release()
            return self._answer(message, error=str(error))
        self._engine.settled()
        log.info("run %s: prepared, %d users", message.run, self._engine.users)
        return self._answer(message, loaded=loaded)

    def refuse(self, message: Prepare, reason: str) -> Ready:
        """The answer to a run that this worker does not even try to load."""
        return self._answer(message, error=reason)

    def release(self) -> None:
        """Let the run's users go, and connect to nothing of it any more."""
        self.recorded = None
        self._engine.release()
        self._bundles.clear()
        self._guard.reset()

    def _load(self, message: Prepare) -> Loaded:
        until_ns = self._now() + round(PREPARE_S * NS_PER_S)
        judge_of(message)
        refused = allow.refusal(message.targets, self.allowed, message.allowed_targets)
        if refused is not None:
            raise CannotPrepare(refused)
        headers = resolve_headers(message.headers, self._environment)
        requests = self._fetch(message.requests_sha256)
        self.recorded = self._times(message.times_sha256)
        connections = message.connections
        authority = self._fetch(connections.ca_sha256, "certificates of workload.connections.ca")
        tls = tls_of(connections, authority, self._environment)
        reachable = allow.reachable(self.allowed, message.allowed_targets)
        self._guard.update(reachable, connections.resolve_s)
        order = Order(
            user=self._user(message),
            targets=message.targets,
            model=message.model,
            headers=headers,
            options=message.options,
            requests=requests,
            seed=message.seed,
            position=message.workers.index(self._identity.worker),
            workers=len(message.workers),
            worker=self._identity.worker,
            replica_header=message.replica_header,
            connections=connections,
            tls=tls,
        )
        loaded = self._engine.load(order)
        error = self._engine.spawn(users_at_first(message), START_S)
        if error is None and message.check_by == self._identity.worker:
            error = self._engine.check(min(message.timeout_s, self._left_s(until_ns)))
        if error is not None:
            raise CannotPrepare(error)
        slow = self._engine.start_slow(users_at_most(message), self._left_s(until_ns))
        warnings = (*((slow,) if slow else ()), *shortages(self._limits, need_of(message)))
        for warning in warnings:
            log.warning("run %s: %s", message.run, warning)
        return replace(loaded, warnings=(*loaded.warnings, *warnings))

    def _user(self, message: Prepare) -> str:
        """A name, or the path of a locustfile; that of a bundle is laid out first."""
        if message.bundle_sha256 is None:
            self._bundles.clear()
            return message.user
        refused = self._bundles.refusal()
        if refused is not None:
            raise CannotPrepare(refused)
        data = self._fetch(message.bundle_sha256, "the bundle") or b""
        return str(self._bundles.unpack(data, message.user))

    def _left_s(self, until_ns: int) -> float:
        return max(0.0, (until_ns - self._now()) / NS_PER_S)

    def _times(self, sha256: str | None) -> Recorded | None:
        data = self._fetch(sha256, "recorded times")
        try:
            return None if data is None else parse_times(data)
        except ArrivalsError as error:
            raise CannotPrepare(f"recorded times: {error}") from error

    def _fetch(self, sha256: str | None, what: str = "recorded requests") -> bytes | None:
        if sha256 is None:
            return None
        try:
            data = self._store.artefact(sha256)
        except Exception as error:
            raise CannotPrepare(f"{what} could not be fetched: {error}") from error
        if data is None:
            raise CannotPrepare(f"{what} {sha256[:12]} are not stored any more")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise CannotPrepare(f"{what} {sha256[:12]} do not match their hash")
        return data

    def _answer(
        self, message: Prepare, *, loaded: Loaded | None = None, error: str | None = None
    ) -> Ready:
        return Ready(
            run=message.run,
            fence=message.fence,
            worker=self._identity.worker,
            boot=self._identity.boot,
            error=error,
            user_sha256=loaded.sha256 if loaded else None,
            warnings=loaded.warnings if loaded else (),
            rate_per_s=self.rates.of(loaded.kinds) if loaded else Rate(0.0),
        )


def judge_of(message: Prepare) -> Judge:
    """The objectives of a run, ready to judge.

    Raises:
        CannotPrepare: one of them cannot be read.
    """
    try:
        return Judge([parse_objective(text) for text in message.objectives])
    except ObjectiveError as error:
        raise CannotPrepare(str(error)) from error


def need_of(message: Prepare) -> Need:
    """What this worker's share of the highest rate may want of the operating system.

    As many users as may be in flight (`in_flight_cap` of the plans), each with a connection unless
    the policy of the goal has fewer.
    """
    share_per_s = message.max_rate / len(message.workers)
    limits = [parse_objective(text).limit_s or 0.0 for text in message.objectives]
    longest_s = max(limits, default=0.0) or DEFAULT_LIMIT_S
    users = math.ceil(share_per_s * (IN_FLIGHT_LIMITS * longest_s + BEYOND_TIMEOUT_S))
    policy, targets = message.connections, len(message.targets)
    if policy.most is not None:
        users = min(users, policy.most * targets)
    dials_per_s = share_per_s / policy.requests if policy.requests else 0.0
    return Need(users, dials_per_s / targets, message.targets)


def users_at_first(message: Prepare) -> int:
    """Users that the highest rate keeps busy when answers take as long as they may (Little)."""
    limits = [parse_objective(text).limit_s or 0.0 for text in message.objectives]
    longest_s = max(limits, default=0.0) or DEFAULT_LIMIT_S
    least, most = FIRST_USERS
    return min(max(math.ceil(message.max_rate / len(message.workers) * longest_s), least), most)


def users_at_most(message: Prepare) -> int:
    """Users that the highest rate keeps busy when every arrival times out (Little)."""
    share_per_s = message.max_rate / len(message.workers)
    return math.ceil(share_per_s * (message.timeout_s + BEYOND_TIMEOUT_S))
