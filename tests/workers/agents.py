"""How does a test stand around an agent: its bus, its engine, its guard and its clock?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gevent

from contract.arrivals import Law
from contract.messages import Drained, Plan, Ready
from contract.report import Connected, Health
from contract.units import Rate, Seconds
from tests.workers.servers import eventually
from tests.workers.virtual import MS, Clock, prepare
from workers.agent import Agent
from workers.bundle import Bundles
from workers.clock import RedisClock
from workers.gate import Gate
from workers.order import CannotPrepare, Loaded, Order
from workers.outbox import Reply
from workers.preparation import Preparer
from workers.probe import Identity

T = TypeVar("T", bound=Reply)


@dataclass
class Bus:
    beat_ns: int = 0
    watched: str | None = None
    sent: list[Reply] = field(default_factory=list)
    artefacts: dict[str, bytes] = field(default_factory=dict)

    def send(self, reply: Reply) -> None:
        self.sent.append(reply)

    def watch(self, run: str | None, position: int = 0, workers: int = 1) -> None:
        self.watched = run

    def artefact(self, sha256: str) -> bytes | None:
        return self.artefacts.get(sha256)

    def of(self, kind: type[T]) -> list[T]:
        return [reply for reply in self.sent if isinstance(reply, kind)]


@dataclass
class Engine:
    """Users that take every permit and finish it after a time of the test's clock."""

    gate: Gate
    works: bool = True
    users: int = 0
    load_error: str | None = None
    check_error: str | None = None
    start_warning: str | None = None
    slow: int = 0
    spawn_takes_s: float = 0.0
    orders: list[Order] = field(default_factory=list)
    checked: int = 0
    released: int = 0
    greenlets: list[gevent.Greenlet[..., None]] = field(default_factory=list)

    def load(self, order: Order) -> Loaded:
        if self.load_error is not None:
            raise CannotPrepare(self.load_error)
        self.orders.append(order)
        (lane,) = self.gate.set_lanes((1.0,))

        def work() -> None:
            while True:
                permit = self.gate.acquire(lane)
                if self.works:
                    self.gate.finish(permit)
                else:
                    gevent.sleep(1000)

        self.greenlets = [gevent.spawn(work) for _ in range(50)]
        return Loaded("f" * 64, ("a warning",))

    def spawn(self, count: int, timeout_s: float) -> str | None:
        self.users = count
        gevent.sleep(self.spawn_takes_s)
        return None

    def want_users(self, count: int) -> None:
        self.users = count

    def check(self, timeout_s: float) -> str | None:
        self.checked += 1
        return self.check_error

    def start_slow(self, count: int, timeout_s: float) -> str | None:
        self.slow = count
        return self.start_warning

    def connections(self) -> tuple[Connected, ...]:
        return (Connected("10.1.1.1:80", self.users, 0, 0, 0),)

    def settled(self) -> None: ...

    def release(self, timeout_s: float = 5.0) -> None:
        self.released += 1
        gevent.killall(self.greenlets)


@dataclass
class Watch:
    """A process without worries."""

    told: list[str] = field(default_factory=list)

    def read(self) -> Health:
        return Health()

    def begin(self) -> None:
        self.told.append("begin")

    def rest(self) -> None:
        if self.told[-1:] != ["rest"]:
            self.told.append("rest")


@dataclass
class Guard:
    allowed: tuple[str, ...] = ()
    resolve_s: float | None = None

    def update(self, allowed: Iterable[str], resolve_s: float | None = None) -> None:
        self.allowed = tuple(allowed)
        self.resolve_s = resolve_s

    def reset(self) -> None:
        self.allowed = ()


class Scene:
    def __init__(self, bundles: Bundles | None = None, **environment: str) -> None:
        self.clock = Clock()
        self.bus = Bus()
        self.gate = Gate(now=self.clock)
        self.engine = Engine(self.gate)
        self.guard = Guard()
        self.watch = Watch()
        redis_clock = RedisClock()
        redis_clock.calibrate([(0, 0, 0)])  # Redis shows the same time
        identity = Identity("w1", "b1")
        preparer = Preparer(
            identity,
            self.engine,
            self.guard,
            self.bus,
            allowed=("10.1.1.1:80",),
            environment=environment,
            bundles=bundles,
        )
        self.agent = Agent(
            identity,
            self.bus,
            redis_clock,
            self.gate,
            self.engine,
            preparer=preparer,
            health=self.watch,
            now=self.clock,
        )

    def close(self) -> None:
        self.agent.shut_down("the test is over")
        self.engine.release()

    def stored(self, data: bytes) -> str:
        """Keep an artefact; its sha256."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.bus.artefacts[sha256] = data
        return sha256

    def prepared(self, **changed: object) -> Ready:
        count = len(self.bus.of(Ready))
        self.agent.obey(prepare(**changed))
        eventually(lambda: len(self.bus.of(Ready)) > count)
        return self.bus.of(Ready)[-1]

    def plan(self, probe: int = 1, **changed: Any) -> Plan:
        values: dict[str, Any] = {
            "run": "r1",
            "fence": 1,
            "probe": probe,
            "workers": ("w1", "w2"),
            "epoch_us": (self.clock.ns + 500 * MS) // 1000,
            "law": Law("constant"),
            "seed": 7,
            "rate": Rate(100.0),
            "ramp_s": Seconds(0.0),
            "ramp_from": Rate(0.0),
            "duration_s": Seconds(10.0),
            "in_flight_cap": 50,
            "rate_ceiling": Rate(60.0),
        }
        return Plan(**(values | changed))

    def pass_time(self, seconds: float, *, beats: bool = True) -> None:
        """Let time pass in steps of 20 ms; the pacer's real timer is woken by the clock."""
        for _ in range(round(seconds * 50)):
            self.clock.advance(20 * MS)
            if beats:
                self.bus.beat_ns = self.clock.ns
            if self.agent._probe is not None:
                self.agent._probe._pacer._wake()
            for _ in range(3):
                gevent.sleep(0)
            self.agent.tick()
            gevent.sleep(0)

    def drained(self, probe: int | None) -> Drained:
        eventually(lambda: any(d.probe == probe for d in self.bus.of(Drained)))
        return next(d for d in self.bus.of(Drained) if d.probe == probe)
