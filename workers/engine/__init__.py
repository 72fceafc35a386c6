"""How does an ordinary locustfile become tasks that start when permits say so?

Locust is the engine as a library: its users, tasks, weights, TaskSets, on_start, on_stop and
events. Its user counts, ramps, statistics and network are not used.
"""

# ruff: noqa: SLF001 - Locust has no public names for its hooks and its users' state

from __future__ import annotations

import gc
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent
import locust
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.runners import STATE_RUNNING, STATE_STOPPED, LocalRunner

from contract.report import Connected, Ledger, Report
from workers.clients import stock, traps
from workers.clients.inference import COUNTS, InferenceUser
from workers.clients.kinds import kind_of
from workers.clients.policy import Connecting
from workers.clients.resolve import Names
from workers.clock import monotonic_ns
from workers.engine import patches
from workers.engine.locustfile import Locustfile, load
from workers.engine.replicas import naming
from workers.engine.users import Pool, Users
from workers.gate import Gate
from workers.judge import Judge
from workers.order import CannotPrepare, Loaded, Order
from workers.permit import OPEN, PENDING, SUCCEEDED, current_permit
from workers.recorder import NO_PHASES, Recorder
from workers.waiting import at_most

STOP_S = 5.0
"""on_stop of all users may take this long."""
READY_CHECK_S = 5.0
TEXT_KEPT = 300

log = logging.getLogger(__name__)


class OpenLoopRunner(LocalRunner):
    """A runner that never starts users by itself and that a locustfile cannot end."""

    def start(self, *_args: object, **_kwargs: object) -> None:
        log.warning("the locustfile asked for users; the plan decides how many there are")

    def stop(self) -> None:
        log.warning("the locustfile asked to stop; the controller decides when a run ends")

    def quit(self) -> None:
        self.stop()


class Engine:
    """One loaded locustfile at a time, behind one gate."""

    def __init__(self, gate: Gate, names: Names | None = None) -> None:
        self.gate = gate
        self._names = names or Names()
        self._connecting = Connecting(names=self._names)
        self._users: Users | None = None
        self._runner: OpenLoopRunner | None = None
        self._classes: tuple[Any, ...] = ()
        self._order: Order | None = None
        self._handlers = {name: list(hook._handlers) for name, hook in _hooks()}
        patches.install()
        traps.install()
        gate.short = self._want_more

    @property
    def users(self) -> int:
        return self._users.alive if self._users is not None else 0

    def load(self, order: Order) -> Loaded:
        """Load a locustfile, in place of the one before.

        Raises:
            CannotPrepare: it cannot be loaded or paced, or the options are not a JSON object.
        """
        self.release()
        self._forget_listeners()
        options = _options(order.options)
        file = load(order.user)
        self._order, self._classes = order, file.classes
        connecting = self._connecting = self._connect(order)
        for user_class in file.classes:
            _configure(user_class, order, options)
            if issubclass(user_class, InferenceUser):
                user_class.tonnage_connecting = connecting
        self._runner = _runner(file, order, options)
        weights = [float(c.weight) or 1.0 for c in file.classes]
        lanes = self.gate.set_lanes(weights)
        pools = [
            Pool(user_class, lane, weight)
            for user_class, lane, weight in zip(file.classes, lanes, weights, strict=True)
        ]
        self._users = Users(
            self._runner,
            pools,
            order.targets,
            first_host=order.position,
            headers=dict(order.headers),
        )
        unheard = stock.unheard(order.connections, file.classes)
        kinds = tuple(sorted({kind_of(user_class) for user_class in file.classes}))
        return Loaded(file.sha256, (*file.warnings, *unheard), kinds)

    def want_users(self, count: int) -> None:
        """Have at least `count` users, and at most as many when arrivals find none idle."""
        if self._users is not None:
            self._users.want(count)

    def spawn(self, count: int, timeout_s: float) -> str | None:
        """Have `count` users ready; gives what is wrong when their on_start fails or hangs."""
        users = self._users
        if users is None:
            return "nothing is loaded"
        users.want(count)
        if users.wait(timeout_s, lambda: bool(users.start_errors)) and not users.start_errors:
            return None
        if users.start_errors:
            return users.start_errors[0]
        return f"on_start of {count} users was not over after {timeout_s:g} s"

    def start_slow(self, count: int, timeout_s: float) -> str | None:
        """Have users whose on_start may take long run it now, `count` in all; gives a warning.

        On_start of many users during a probe would be load that nobody planned.
        """
        users = self._users
        warning = users.start_slow(count, timeout_s) if users is not None else None
        return self._safe(warning) if warning is not None else None

    def settled(self) -> None:
        """Nothing more is loaded: keep what there is out of garbage collection."""
        gc.collect()
        gc.freeze()

    def check(self, timeout_s: float) -> str | None:
        """Ask the ready check of the users, then send one arrival; gives what went wrong."""
        if self._order is None:
            return "nothing is loaded"
        for user_class in self._classes:
            check_ready: Callable[[str, float], str | None] | None
            check_ready = getattr(user_class, "check_ready", None)
            for target in self._order.targets if check_ready is not None else ():
                assert check_ready is not None
                error = check_ready(target, min(timeout_s, READY_CHECK_S))
                if error is not None:
                    return self._safe(error)
        return self._send_one(timeout_s)

    def release(self, timeout_s: float = STOP_S) -> None:
        """End every user (their on_stop runs, that long) and forget the locustfile."""
        users, runner = self._users, self._runner
        if users is None or runner is None:
            return
        events = runner.environment.events
        events.test_stopping.fire(environment=runner.environment)
        users.close(timeout_s)
        runner.update_state(STATE_STOPPED)
        events.test_stop.fire(environment=runner.environment)
        runner.greenlet.kill(block=False)
        self._forget_listeners()
        self._connecting.close()
        stock.IN_FORCE.end()
        self.gate.set_lanes(())
        self._users = self._runner = self._order = None
        self._classes = ()
        gc.unfreeze()
        gc.collect()

    def connections(self) -> tuple[Connected, ...]:
        """Of InferenceUsers to the target's addresses; increments are since the last call."""
        return self._connecting.counts.drain()

    def _connect(self, order: Order) -> Connecting:
        """Put the policy of connections in force."""
        self._connecting.close()
        stock.IN_FORCE.begin(order.connections, self._names, order.tls)
        return Connecting(order.connections, names=self._names, tls=order.tls, seed=order.seed)

    def _forget_listeners(self) -> None:
        """Locust's events are global: take out what a locustfile has put there."""
        for name, hook in _hooks():
            hook._handlers[:] = self._handlers[name]

    def _want_more(self, lane: Any) -> None:
        if self._users is not None:
            self._users.want_more(lane)

    def _send_one(self, timeout_s: float) -> str | None:
        header = Report("", 0, 0, "", "", 0, 0, 0, Ledger())
        recorder = Recorder(header, Judge(()), monotonic_ns())
        self.gate.open(cap=1, timeout_s=timeout_s, overdue_s=math.inf, seed=0)
        permit = recorder.permit(0, 0)
        self.gate.release(permit)
        with at_most(timeout_s + 1):
            while permit.outcome == OPEN:
                self.gate.sweep()
                gevent.sleep(0.005)
        self.gate.close()
        if permit.outcome == SUCCEEDED:
            return None
        if permit.start == PENDING or permit.outcome == OPEN:
            return f"no user was free to send one request within {timeout_s:g} s"
        what = "; ".join(recorder.samples.values()) or "no reason given"
        if what == "timed out":
            what = f"it had not ended after {timeout_s:g} s"
        return self._safe(f"one request was sent and failed: {what}")

    def _safe(self, text: str) -> str:
        """`text` without the values of secrets, on one line."""
        for value in (self._order.headers if self._order else {}).values():
            if len(value) >= 4:
                text = text.replace(value, "***")
        return " ".join(text.split())[:TEXT_KEPT]


def on_request(
    *,
    name: str | None = None,
    response_time: float | None = None,
    exception: BaseException | str | None = None,
    context: Mapping[str, object] | None = None,
    response: object = None,
    replica: str | None = None,
    **_: object,
) -> None:
    """Locust's request event, for the arrival at hand; on_start and the like belong to none."""
    permit = current_permit()
    if permit is None:
        return
    error = _kind(exception, response) if exception else None
    if error is not None and error not in permit.recorder.samples:
        permit.recorder.samples[error] = f"{name}: {exception}"
    permit.recorder.request(
        permit,
        name,
        response_time / 1000 if response_time is not None else -1.0,
        phases=context or NO_PHASES,
        error=error,
        replica=replica,
    )


setattr(on_request, COUNTS, True)


def _kind(exception: BaseException | str, response: object) -> str:
    """A short name of what went wrong, the same for requests that failed alike."""
    kind = getattr(exception, "kind", None)
    if isinstance(kind, str):
        return kind
    status = getattr(response, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return f"HTTP {status}"
    if type(exception).__name__ == "CatchResponseError" or isinstance(exception, str):
        return " ".join(str(exception).split())[:80] or "failed"
    return type(exception).__name__


def _hooks() -> Iterator[tuple[str, Any]]:
    return ((name, hook) for name, hook in vars(locust.events).items())


def _options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except ValueError as error:
        raise CannotPrepare(f"options are not JSON: {error}") from error
    if not isinstance(options, dict):
        raise CannotPrepare("options must be a JSON object, such as {}")
    return options


def _configure(user_class: Any, order: Order, options: dict[str, Any]) -> None:
    user_class.host = order.targets[order.position % len(order.targets)]
    if order.model is not None or not hasattr(user_class, "model"):
        user_class.model = order.model
    user_class.tonnage_headers = dict(order.headers)
    user_class.tonnage_options = options
    user_class.tonnage_requests = order.requests
    user_class.tonnage_seed = order.seed
    if issubclass(user_class, locust.FastHttpUser):
        user_class.default_headers = {**(user_class.default_headers or {}), **order.headers}


def _runner(file: Locustfile, order: Order, options: dict[str, Any]) -> OpenLoopRunner:
    """A runner as locustfiles know it, without Locust's own statistics."""
    parser = get_parser(default_config_files=[])
    parsed, _ = parser.parse_known_args([])
    for key, value in options.items():
        if hasattr(parsed, key):
            setattr(parsed, key, value)
    events = locust.events
    environment = Environment(
        user_classes=list(file.classes),
        events=events,
        host=order.targets[0],
        locustfile=file.path.name,
        parsed_options=parsed,
    )
    users_own = list(events.request._handlers), list(events.user_error._handlers)
    runner = OpenLoopRunner(environment)
    ours = naming(on_request, order.replica_header)
    events.request._handlers[:] = [ours, *users_own[0]]
    events.user_error._handlers[:] = users_own[1]
    environment.runner = runner
    runner.worker_index, runner.worker_count = order.position, order.workers
    runner.client_id = order.worker
    events.init.fire(environment=environment, runner=runner, web_ui=None)
    environment._filter_tasks_by_tags()
    events.test_start.fire(environment=environment)
    runner.update_state(STATE_RUNNING)
    return runner
