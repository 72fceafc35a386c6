"""How do Redis, a controller and workers run on one machine, and stay up together?

    child        dies during a run                  otherwise
    Redis        restarted (the probe is void)      restarted
    controller   restarted (the run resumes)        restarted
    worker       left dead until the run has ended  restarted

More workers come and go with what the runs need (`tonnage.elastic`).

The stack's owner calls `check` about twice a second from the main thread; leaving the
`with` block stops all of it. A child that dies again and again ends the stack.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from contract.signing import KEY_VARIABLE
from tonnage import elastic, redis_server
from tonnage.child import Child
from tonnage.client import Controller, Unreachable
from tonnage.errors import CommandError

START_TIMEOUT_S = 30.0
MAX_RESTARTS = 5
"""Of one child, within RESTART_WINDOW_S."""
RESTART_WINDOW_S = 60.0

CONTROLLER_NICENESS = 5
"""On few cores the workers go first: they must send on time, the controller may take a moment."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What the stack is made of: `workers` to begin with. `redis_url` None: an embedded server."""

    directory: Path
    workers: int
    port: int = 0
    redis_url: str | None = None
    allow_targets: tuple[str, ...] = ()


def default_workers() -> int:
    """One per two cores, at least two: the target often shares the machine."""
    return max(2, (os.cpu_count() or 2) // 2)


class Stack:
    """The local stack as a context manager; `controller` talks to it once it is up."""

    def __init__(self, options: StackOptions, say: Say) -> None:
        self._options = options
        self.say = say
        self._children: list[Child] = []
        self._leaving: list[Child] = []
        self._elastic: elastic.Elastic | None = None
        self._redis_url = ""
        self._fleet_key = os.environ.get(KEY_VARIABLE) or secrets.token_hex(32)
        self._deaths: dict[str, list[float]] = {}
        self._redis: redis_server.RedisServer | None = None
        self.controller = Controller("")

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def start_child(
        self,
        name: str,
        argv: Sequence[str],
        env: dict[str, str] | None = None,
        *,
        niceness: int = 0,
    ) -> Child:
        """Run `python -m …` as one more child, for instance a demo target."""
        log = self._log(name)
        child = Child(name, [sys.executable, "-m", *argv], log, env, niceness=niceness)
        child.start()
        self._children.append(child)
        return child

    def child(self, name: str) -> Child:
        return next(c for c in self._children if c.name == name)

    @property
    def all_alive(self) -> bool:
        return all(child.alive for child in self._children)

    def check(self, *, run_active: bool) -> None:
        """Restart what has died and may be restarted, and follow what the runs need.

        Raises:
            CommandError: a child keeps dying.
        """
        for child in self._children:
            if child.alive or not _restartable(child.name, run_active=run_active):
                continue
            self._count_death(child)
            self.say(f"{child.name} ended with status {child.exit_status}; starting it again")
            child.start()
        self._leaving = [child for child in self._leaving if child.alive]
        if self._elastic is not None and self._elastic.due:
            self._follow(self._elastic)

    def _start(self) -> None:
        self._options.directory.mkdir(parents=True, exist_ok=True)
        port = self._options.port or redis_server.free_port()
        self.controller = Controller(f"http://127.0.0.1:{port}")
        self.say(f"API at {self.controller.url} (documentation at {self.controller.url}/docs)")
        limits = elastic.bounds(self._options.workers, elastic.cores(), os.environ)
        self._redis_url = self._start_redis()
        self._start_controller(port, elastic.controller_environment(limits, os.environ))
        for index in range(1, self._options.workers + 1):
            self._start_worker(index)
        names = [f"worker-{index}" for index in range(1, self._options.workers + 1)]
        self._wait("the workers", self._workers_ready, *names)
        self.say(f"{self._options.workers} workers are ready")
        if limits.most > limits.least:
            self._elastic = elastic.Elastic(elastic.asking(self.controller), limits)
            self._follow(self._elastic)  # the controller knows from now on that more may come

    def _start_worker(self, index: int) -> None:
        argv = ["workers", "--id", self._worker(index), "--parent-pid", str(os.getpid())]
        for target in self._options.allow_targets:
            argv += ["--allow", target]
        self.start_child(f"worker-{index}", argv, self._shared())

    def _follow(self, follower: elastic.Elastic) -> None:
        """Start and end workers as the runs need them."""
        mine = {self._worker(_index(child)): child for child in self._children if _index(child)}
        change = follower.change(tuple(mine))
        if change.more:
            workers = "worker" if change.more == 1 else "workers"
            self.say(f"starting {change.more} more {workers}: {change.reason}")
        for _ in range(change.more):
            self._start_worker(self._free_index())
        for worker in change.end:
            self.say(f"{mine[worker].name} is not needed any more")
            mine[worker].terminate()
            self._children.remove(mine[worker])
            self._leaving.append(mine[worker])

    def _free_index(self) -> int:
        used = {_index(child) for child in (*self._children, *self._leaving)}
        return next(index for index in count(1) if index not in used)

    def _worker(self, index: int) -> str:
        """Short on a Redis of our own; on a shared one no other stack may have the same."""
        shared = self._options.redis_url is not None
        return f"{socket.gethostname()}-{os.getpid()}-w{index}" if shared else f"w{index}"

    def _start_redis(self) -> str:
        if self._options.redis_url:
            return self._options.redis_url
        self._redis = redis_server.configure(self._options.directory)
        child = Child("redis", self._redis.argv, self._log("redis"))
        child.start()
        self._children.append(child)
        port = self._redis.port
        self._wait("Redis", lambda: redis_server.answers(port), "redis")
        self.say(f"Redis is up ({self._redis.origin})")
        return self._redis.url

    def _start_controller(self, port: int, fleet: dict[str, str]) -> None:
        database = self._options.directory / "journal.sqlite"
        argv = ["controller", "serve", "--host", "127.0.0.1", "--port", str(port)]
        for target in self._options.allow_targets:
            argv += ["--allow-target", target]
        env = self._shared() | {"TONNAGE_DATABASE_URL": f"sqlite:///{database}"}
        self.start_child("controller", argv, env | fleet, niceness=CONTROLLER_NICENESS)
        self._wait("the controller", self._controller_ready, "controller")
        self.say("the controller is up")

    def _shared(self) -> dict[str, str]:
        """What controller and workers have in common, and nobody else; never logged."""
        return {"TONNAGE_REDIS_URL": self._redis_url, KEY_VARIABLE: self._fleet_key}

    def _controller_ready(self) -> bool:
        try:
            return self.controller.healthy()
        except Unreachable:
            return False

    def _workers_ready(self) -> bool:
        try:
            return len(self.controller.fleet()) >= self._options.workers
        except Unreachable:
            return False

    def _wait(self, what: str, ready: Callable[[], bool], *names: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        children = [self.child(name) for name in names]
        while not ready():
            child = next((c for c in children if not c.alive), children[0])
            if not child.alive:
                raise CommandError(
                    f"{child.name} ended with status {child.exit_status}; it said:\n"
                    f"{child.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{what} did not come up within {START_TIMEOUT_S:.0f} s; {child.name} said:\n"
                    f"{child.log_tail()}"
                )
            time.sleep(0.05)

    def _count_death(self, child: Child) -> None:
        now = time.monotonic()
        recent = [t for t in self._deaths.get(child.name, []) if now - t < RESTART_WINDOW_S]
        self._deaths[child.name] = [*recent, now]
        if len(recent) >= MAX_RESTARTS:
            raise CommandError(
                f"{child.name} died {len(recent) + 1} times within {RESTART_WINDOW_S:.0f} s; "
                f"it said:\n{child.log_tail()}"
            )

    def _stop(self) -> None:
        """Controller first (it stops the load), then workers and the rest, Redis last."""
        self.controller.close()
        order = sorted((*self._children, *self._leaving), key=_stop_rank)
        for rank in sorted({_stop_rank(c) for c in order}):
            group = [c for c in order if _stop_rank(c) == rank]
            for child in group:
                child.terminate()
            for child in group:
                child.wait()

    def _log(self, name: str) -> Path:
        return self._options.directory / f"{name}.log"


def _stop_rank(child: Child) -> int:
    return {"controller": 0, "redis": 2}.get(child.name, 1)


def _index(child: Child) -> int:
    """The number of a worker's process; 0 for any other."""
    kind, _, number = child.name.rpartition("-")
    return int(number) if kind == "worker" else 0


def _restartable(name: str, *, run_active: bool) -> bool:
    if name.startswith("worker-"):
        return not run_active
    return name in ("redis", "controller")
