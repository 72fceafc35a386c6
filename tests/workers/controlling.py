"""How does a test stand in for the controller, over a Redis of its own?"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import gevent
import redis

from contract import keys
from contract.arrivals import Law
from contract.codec import Message, decode, encode
from contract.messages import Drained, Hello, Plan, Prepare, Ready, Stop
from contract.report import Report
from contract.units import Rate, Seconds
from tests.workers.ports import free_port

T = TypeVar("T", bound=Message)


@contextmanager
def redis_running(program: Path, folder: Path) -> Iterator[str]:
    """The URL of an empty server on loopback."""
    port = free_port()
    argv = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(
        [*argv, "--appendonly", "no", "--dir", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}"
    try:
        client = redis.Redis.from_url(url)
        with gevent.Timeout(20):
            while not _answers(client):
                gevent.sleep(0.02)
        client.close()
        yield url
    finally:
        server.kill()
        server.wait(10)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@dataclass
class Controller:
    """One run's controller side: it speaks, beats, and keeps what it hears."""

    url: str
    run: str = "r1"
    fence: int = 1
    heard: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.redis: Any = redis.Redis.from_url(self.url)
        self._last = b"0-0"
        self._beats = 0
        self._beating: gevent.Greenlet[..., None] | None = None

    def close(self) -> None:
        self.stop_beating()
        self.redis.close()

    def beat(self) -> None:
        self._beats += 1
        self.redis.set(keys.beat(self.run), self._beats)

    def start_beating(self) -> None:
        def forever() -> None:
            while True:
                self.beat()
                gevent.sleep(0.5)

        self._beating = gevent.spawn(forever)

    def stop_beating(self) -> None:
        if self._beating is not None:
            self._beating.kill()
            self._beating = None

    def tell(self, message: Message) -> None:
        self.redis.xadd(keys.CONTROL, {"m": encode(message)})

    def hello(self, worker: str) -> Hello | None:
        data = self.redis.hget(keys.FLEET_HELLO, worker)
        found = None if data is None else decode(data)
        assert found is None or isinstance(found, Hello)
        return found

    def listen(self) -> None:
        """Take in what has come."""
        streams = {keys.replies(self.run): self._last}
        for _, entries in self.redis.xread(streams, count=1000) or ():
            for entry, fields in entries:
                self._last = entry
                self.heard.append(decode(fields[b"m"]))

    def reports(self, probe: int) -> list[Report]:
        return [m for m in self.heard if isinstance(m, Report) and m.probe == probe]

    def wait_for(self, kind: type[T], holds: Callable[[T], bool] = lambda _: True) -> T:
        """The first message of that kind for which `holds`, waiting for some seconds."""
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s:
            self.listen()
            for message in self.heard:
                if isinstance(message, kind) and holds(message):
                    return message
            gevent.sleep(0.02)
        raise AssertionError(f"no such {kind.__name__} among {self.heard}")

    def ready(self, prepare: Prepare) -> Ready:
        self.tell(prepare)
        return self.wait_for(Ready, lambda m: m.fence == prepare.fence)

    def drained(self, probe: int | None) -> Drained:
        return self.wait_for(Drained, lambda m: m.probe == probe)

    def epoch_us(self, lead_s: float) -> int:
        seconds, us = self.redis.time()
        return int(seconds * 1_000_000 + us + lead_s * 1_000_000)

    def prepare(self, target: str, user: str, **changed: Any) -> Prepare:
        values: dict[str, Any] = {
            "run": self.run,
            "fence": self.fence,
            "workers": ("w1",),
            "user": user,
            "targets": (target,),
            "model": None,
            "headers": (),
            "options": "{}",
            "requests_sha256": None,
            "objectives": ("p99 response_time <= 100ms", "error_ratio <= 1%"),
            "timeout_s": Seconds(10.0),
            "seed": 7,
            "allowed_targets": (target.removeprefix("http://"),),
            "max_rate": Rate(500.0),
            "check_by": "w1",
        }
        return Prepare(**(values | changed))

    def plan(self, probe: int, rate: float, duration_s: float, **changed: Any) -> Plan:
        values: dict[str, Any] = {
            "run": self.run,
            "fence": self.fence,
            "probe": probe,
            "workers": ("w1",),
            "epoch_us": self.epoch_us(0.6),
            "law": Law("poisson"),
            "seed": 7,
            "rate": Rate(rate),
            "ramp_s": Seconds(0.0),
            "ramp_from": Rate(0.0),
            "duration_s": Seconds(duration_s),
            "in_flight_cap": 500,
            "rate_ceiling": Rate(1000.0),
        }
        return Plan(**(values | changed))

    def stop(self, probe: int | None, reason: str = "enough") -> Stop:
        return Stop(self.run, self.fence, ("w1",), probe, reason)
