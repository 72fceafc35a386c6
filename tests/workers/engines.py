"""How does a test load a locustfile and put arrivals to it, one at a time or many?"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import gevent

from contract.report import Health, Report
from tests.workers.servers import eventually
from tests.workers.virtual import HEADER, judge
from workers.clients import traps
from workers.clock import monotonic_ns
from workers.engine import Engine, patches
from workers.gate import Gate
from workers.order import Loaded, Order
from workers.permit import OPEN, Permit
from workers.recorder import Recorder


class Bench:
    """An engine, its gate, and a recorder on the real clock."""

    def __init__(self, folder: Path) -> None:
        self.gate = Gate()
        self.engine = Engine(self.gate)
        self.recorder = Recorder(HEADER, judge("p99 response_time <= 10s"), monotonic_ns())
        self._folder = folder
        self._index = 0

    def close(self) -> None:
        """Give Locust back as it was: other tests of this process want it stock."""
        self.engine.release()
        traps.remove()
        patches.remove()

    def order(self, text: str, **changed: Any) -> Order:
        path = self._folder / "asker.py"
        path.write_text(textwrap.dedent(text))
        values: dict[str, Any] = {
            "user": str(path),
            "targets": ("http://127.0.0.1:1",),
            "model": None,
            "headers": {},
            "options": "{}",
            "requests": None,
            "seed": 7,
            "position": 0,
            "workers": 1,
            "worker": "w1",
        }
        return Order(**(values | changed))

    def load(self, text: str, **changed: Any) -> Loaded:
        return self.engine.load(self.order(text, **changed))

    def spawn(self, users: int = 1) -> None:
        assert self.engine.spawn(users, 10.0) is None
        self.open()

    def open(self, timeout_s: float = 60.0, cap: int = 1000) -> None:
        self.gate.open(cap=cap, timeout_s=timeout_s, overdue_s=10.0, seed=1)

    def release(self, count: int = 1) -> list[Permit]:
        permits = []
        for _ in range(count):
            permit = self.recorder.permit(self._index, 0)
            self._index += 1
            self.gate.release(permit)
            permits.append(permit)
        return permits

    def arrive(self, count: int = 1) -> list[Permit]:
        """Arrivals one after the other, each to its end."""
        permits: list[Permit] = []
        for _ in range(count):
            (permit,) = self.release()
            self.finish([permit])
            permits.append(permit)
        return permits

    def finish(self, permits: list[Permit]) -> None:
        eventually(lambda: all(permit.outcome != OPEN for permit in permits))

    def report(self) -> Report:
        gevent.sleep(0)
        return self.recorder.flush(0, Health())

    def module(self) -> Any:
        """The loaded locustfile's names."""
        runner: Any = self.engine._runner
        module = __import__("sys").modules["asker"]
        assert runner is not None
        return module
