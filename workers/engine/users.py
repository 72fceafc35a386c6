"""How many users wait for arrivals, and where do they come from and go to?

Users are made before the load needs them: one that is made during a stall of the target runs its
on_start into it. Their own traffic is closed-loop, so only so many start at once.
"""

# ruff: noqa: SLF001 - Locust has no public names for its users' state

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from locust import FastHttpUser, HttpUser, User
from locust.runners import LocalRunner

from workers.engine.patches import LANE, PLAIN, is_plain
from workers.gate import Lane
from workers.waiting import at_most, one_turn

STARTING_AT_ONCE = 50
"""Users whose on_start runs at the same time."""
YIELD_EVERY = 2
FAILED_WAIT_S = 0.5
"""A user whose on_start failed is not replaced at once."""
MORE_AT_ONCE = 20
"""Users added when a lane runs short."""
MADE_BEFORE = 4_000
"""Users made before they are needed; the rest when arrivals find none idle."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pool:
    """The users of one class."""

    user_class: type[User]
    lane: Lane
    weight: float
    wanted: int = 0
    alive: int = 0
    starting: set[User] = field(default_factory=set)


class Users:
    """Keeps as many users alive as are wanted, spread over the hosts."""

    def __init__(
        self,
        runner: LocalRunner,
        pools: Sequence[Pool],
        hosts: Sequence[str],
        *,
        first_host: int = 0,
        headers: dict[str, str],
    ) -> None:
        self.start_errors: list[str] = []
        self.most = 0
        self._runner = runner
        self._pools = tuple(pools)
        self._hosts = tuple(hosts)
        self._made = first_host
        self._headers = headers
        self._short = Event()
        self._failed = False
        self._is_settling = False
        self._maker = gevent.spawn(self._make_forever)

    @property
    def alive(self) -> int:
        return sum(pool.alive for pool in self._pools)

    @property
    def ready(self) -> bool:
        """As many as wanted are there, and have run their on_start."""
        return all(p.alive >= p.wanted and not p.starting for p in self._pools)

    def want(self, count: int) -> None:
        """Have up to `count` users, shared out by weight; never fewer than before."""
        total = sum(pool.weight for pool in self._pools)
        for pool in self._pools:
            share = round(min(count, MADE_BEFORE) * pool.weight / total)
            pool.wanted = max(pool.wanted, 1, share)
        self.most = max(self.most, count)
        self._is_settling = True
        self._short.set()

    def start_slow(self, count: int, timeout_s: float) -> str | None:
        """As `want`, of classes with an on_start of their own; a warning when it is not over."""
        total = sum(pool.weight for pool in self._pools)
        slow = [pool for pool in self._pools if _starts_slowly(pool)]
        for pool in slow:
            share = round(min(count, MADE_BEFORE) * pool.weight / total)
            pool.wanted = max(pool.wanted, share)
        self._is_settling = True
        self._short.set()
        self.wait(timeout_s, lambda: bool(self.start_errors))
        done = sum(pool.alive - len(pool.starting) for pool in slow)
        wanted = sum(pool.wanted for pool in slow)
        if done >= wanted:
            return None
        why = f": {self.start_errors[0]}" if self.start_errors else ""
        return (
            f"on_start was over for {done} of {wanted} users when load could begin, the others "
            f"run it beside the load{why}"
        )

    def want_more(self, lane: Lane) -> None:
        """A permit found no idle user in `lane`."""
        for pool in self._pools:
            if pool.lane is lane and pool.alive >= pool.wanted and self.alive < self.most:
                pool.wanted += min(MORE_AT_ONCE, self.most - self.alive)
                self._short.set()

    def wait(self, timeout_s: float, enough: Callable[[], bool]) -> bool:
        """Wait until users are `ready`, or `enough` says so; False when that took too long."""
        is_over = False
        with at_most(timeout_s):
            while not (is_over := self.ready or enough()):
                gevent.sleep(0.01)
        return is_over

    def close(self, timeout_s: float) -> None:
        """End every user; on_stop runs, for at most `timeout_s`."""
        self._maker.kill(timeout=timeout_s)
        for pool in self._pools:
            pool.wanted = 0
        with at_most(timeout_s):
            self._runner.user_greenlets.kill(block=True)
        if len(self._runner.user_greenlets):
            log.warning("on_stop of %d users did not end", len(self._runner.user_greenlets))
            self._runner.user_greenlets.kill(block=False)

    def _make_forever(self) -> None:
        while True:
            self._short.wait()
            self._short.clear()
            while (pool := self._shortest()) is not None:
                if self._failed:
                    gevent.sleep(FAILED_WAIT_S)
                    self._failed = False
                elif _starts_slowly(pool) and len(pool.starting) >= STARTING_AT_ONCE:
                    gevent.sleep(0.01)
                else:
                    self._make(pool)
            if self._is_settling:
                self._is_settling = False
                gc.freeze()  # so many live objects would make each collection long

    def _shortest(self) -> Pool | None:
        lacking = [pool for pool in self._pools if pool.alive < pool.wanted]
        return min(lacking, key=lambda pool: pool.alive / pool.wanted, default=None)

    def _make(self, pool: Pool) -> None:
        host = self._hosts[self._made % len(self._hosts)]
        self._made += 1
        pool.user_class.host = host
        try:
            user = pool.user_class(self._runner.environment)
        except Exception as error:  # noqa: BLE001 - a constructor may raise anything
            self._fail(f"{pool.user_class.__name__}: {type(error).__name__}: {error}")
            one_turn()
            return
        user.host = host
        if isinstance(user, HttpUser):
            user.client.headers.update(self._headers)
        setattr(user, LANE, pool.lane)
        setattr(user, PLAIN, is_plain(pool.user_class))
        pool.alive += 1
        pool.starting.add(user)
        _note_start(user, pool, self._fail)
        greenlet: Any = user.start(self._runner.user_greenlets)
        greenlet.spawn_tree_locals = {}
        greenlet.link(lambda _: self._gone(user, pool))
        if self._made % YIELD_EVERY == 0:
            one_turn()

    def _gone(self, user: User, pool: Pool) -> None:
        pool.alive -= 1
        pool.starting.discard(user)
        self._short.set()
        gevent.spawn(_let_go, user)  # not here in the hub: a close() may wait

    def _fail(self, text: str) -> None:
        self._failed = True
        if len(self.start_errors) < MORE_AT_ONCE:
            self.start_errors.append(" ".join(text.split())[:300])
            log.warning("a user could not start: %s", self.start_errors[-1])


def _starts_slowly(pool: Pool) -> bool:
    return pool.user_class.on_start not in (User.on_start, HttpUser.on_start, FastHttpUser.on_start)


def _note_start(user: Any, pool: Pool, fail: Callable[[str], None]) -> None:
    """Have the pool know when on_start is over."""
    run_on_start = user.on_start

    def on_start() -> None:
        try:
            run_on_start()
        except Exception as error:
            fail(f"on_start of {type(user).__name__}: {type(error).__name__}: {error}")
            raise
        finally:
            pool.starting.discard(user)

    user.on_start = on_start


def _let_go(user: Any) -> None:
    """Cut what leads from an ended user back to it: no collection looks at what is frozen."""
    try:
        _close(user)
    finally:
        vars(user).pop("on_start", None)
        user._taskset_instance = user._greenlet = None
        if isinstance(user, HttpUser | FastHttpUser):
            user.client.user = None


def _close(user: Any) -> None:
    """Close the connections of a user that has ended, unless it shares them with others."""
    if isinstance(user, FastHttpUser):
        if type(user).client_pool is None:
            user.client.client.clientpool.close()
    elif isinstance(user, HttpUser):
        if user.pool_manager is None:
            user.client.close()
    elif callable(close := getattr(user, "close", None)):
        close()
