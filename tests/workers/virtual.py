"""How does time pass for a worker in a test? When the test says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from contract.messages import Prepare
from contract.objectives import parse_objective
from contract.report import Ledger, Report
from contract.units import Rate, Seconds
from workers.judge import Judge

MS = 1_000_000
S = 1_000_000_000
START_NS = 1_000 * S


@dataclass
class Clock:
    """Monotonic ns that stand still between `advance`s."""

    ns: int = START_NS

    def __call__(self) -> int:
        return self.ns

    def advance(self, ns: int) -> None:
        self.ns += ns


@dataclass
class Timers:
    """Makes timers that ring when `run_until` passes their time."""

    clock: Clock
    armed: dict[int, tuple[int, Callable[[], None]]] = field(default_factory=dict)

    def __call__(self, call: Callable[[], None]) -> Timer:
        return Timer(self, call)

    def run_until(self, ns: int) -> None:
        """Ring every timer in its turn, the clock showing its time."""
        while due := [(at, key) for key, (at, _) in self.armed.items() if at <= ns]:
            at, key = min(due)
            _, call = self.armed.pop(key)
            self.clock.ns = max(self.clock.ns, at)
            call()
        self.clock.ns = max(self.clock.ns, ns)


@dataclass(eq=False)
class Timer:
    timers: Timers
    call: Callable[[], None]

    def arm(self, at_ns: int) -> None:
        self.timers.armed[id(self)] = (at_ns, self.call)

    def close(self) -> None:
        self.timers.armed.pop(id(self), None)


HEADER = Report("r1", 1, 1, "w1", "b1", 0, 0, 0, Ledger())


def judge(*objectives: str) -> Judge:
    return Judge([parse_objective(text) for text in objectives])


def prepare(**changed: object) -> Prepare:
    values: dict[str, object] = {
        "run": "r1",
        "fence": 1,
        "workers": ("w1", "w2"),
        "user": "asker",
        "targets": ("http://127.0.0.1:9100",),
        "model": None,
        "headers": (),
        "options": "{}",
        "requests_sha256": None,
        "objectives": ("p99 response_time <= 100ms",),
        "timeout_s": Seconds(2.0),
        "seed": 7,
        "allowed_targets": ("127.0.0.1:9100",),
        "max_rate": Rate(100.0),
        "check_by": "w2",
    }
    return Prepare(**(values | changed))  # type: ignore[arg-type]
