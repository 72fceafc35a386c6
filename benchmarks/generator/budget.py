"""Where does the time of one request go, stage by stage?

    python -m benchmarks.generator.budget

Each stage by itself, in this process, on one core: medians of rounds, in us a request. The stages
of the way of a permit are told apart by running more of it each time and taking differences. What
they lack to the cost at saturation is what they cost each other: caches, and the loop's own turns.
"""

from gevent import monkey

monkey.patch_all()  # before anything below imports a socket

import gc  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from time import perf_counter_ns  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import numpy as np  # noqa: E402
from gevent import get_hub, getcurrent  # noqa: E402

from benchmarks.generator import recording  # noqa: E402
from benchmarks.generator.servers import Cores  # noqa: E402
from benchmarks.generator.stock import FOLDER  # noqa: E402
from contract.arrivals import Due  # noqa: E402
from contract.report import Ledger, Report  # noqa: E402
from workers.clients.answer import whole  # noqa: E402
from workers.clients.wire import Connection  # noqa: E402
from workers.clock import monotonic_ns  # noqa: E402
from workers.engine import Engine  # noqa: E402
from workers.gate import Gate, Seat  # noqa: E402
from workers.judge import Judge  # noqa: E402
from workers.order import Order  # noqa: E402
from workers.pacer import Pacer  # noqa: E402
from workers.recorder import Recorder  # noqa: E402

socket: Any = monkey.get_original("socket", "socket")
ARRIVALS = 2_000
ROUNDS = 25
USERS = 50
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:18080\r\n\r\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Fri, 27 Nov 2026 17:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 23\r\nConnection: keep-alive\r\n\r\n"
    b'{"ok":true,"x":[1,2,3]}'
)
Release = Callable[[int, int], None]


class _Idle:
    """A timer that never rings: everything is due at the start."""

    def __init__(self, _call: Callable[[], None]) -> None:
        return

    def arm(self, _at_ns: int) -> None:
        return

    def close(self) -> None:
        return


class _Sink:
    """Where a pacer's arrivals go."""

    def __init__(self, release: Release) -> None:
        self.release = release

    def miss(self, index: int, due_ns: int) -> None:
        raise AssertionError((index, due_ns))

    cancel = miss


def paced_us(release: Release) -> float:
    """One wake-up that finds `ARRIVALS` due and releases them, in us an arrival."""
    indices: Due = np.arange(ARRIVALS, dtype=np.int64)
    share: Iterator[tuple[Due, Due]] = iter([(indices, indices)])
    now_ns = monotonic_ns()
    pacer = Pacer(share, now_ns - 10_000_000, _Sink(release), timer=_Idle)
    pacer.extend(now_ns + 60_000_000_000)
    took: list[float] = []

    def wake() -> None:
        begun = perf_counter_ns()
        pacer.start(now_ns)
        took.append((perf_counter_ns() - begun) / ARRIVALS / 1000)

    get_hub().loop.run_callback(wake)  # in the hub, as the timer does
    while not took:
        gevent.sleep(0.001)
    return took[0]


def rounds_us(once: Callable[[], float]) -> float:
    """Median of rounds, the garbage of each collected between them."""
    values = []
    for _ in range(ROUNDS):
        gc.collect()
        values.append(once())
    return statistics.median(values[3:])


def _recorder() -> Recorder:
    header = Report("r", 1, 1, "w1", "boot", 0, 0, 0, Ledger())
    return Recorder(header, Judge(()), monotonic_ns() - 10_000_000)


def _through(gate: Gate) -> float:
    """Everything due goes through `gate` with a recorder of its own."""
    recorder = _recorder()
    gate.open(cap=2 * ARRIVALS, timeout_s=60.0, overdue_s=60.0, seed=1)
    return paced_us(lambda index, due_ns: gate.release(recorder.permit(index, due_ns)))


def handed_us() -> float:
    """Due, released, handed to a bare greenlet, ended."""
    gate = Gate()
    lane = gate.set_lanes([1.0])[0]

    def user() -> None:
        seat = Seat()
        while True:
            gate.finish(gate.acquire(lane, seat))

    users = [gevent.spawn(user) for _ in range(USERS)]
    gevent.sleep(0.01)
    try:
        return rounds_us(lambda: _through(gate))
    finally:
        gevent.killall(users, timeout=5)


def tasked_us(user: str) -> float:
    """The same with the users of a locustfile."""
    gate = Gate()
    engine = Engine(gate)
    engine.load(Order(user, ("http://127.0.0.1:9",), None, {}, "{}", None, 1, 0, 1, "w1"))
    fault = engine.spawn(USERS, 20.0)
    if fault is not None:
        raise SystemExit(fault)
    gevent.sleep(0.05)
    try:
        return rounds_us(lambda: _through(gate))
    finally:
        engine.release()


def clients_us() -> float:
    """The same with InferenceUser, whose connections send nothing and are answered at once."""

    def opened(connection: Any) -> None:
        connection._raw, connection.is_open = connection, True  # noqa: SLF001

    stubs: dict[str, Callable[..., object]] = {
        "_open": opened,
        "_is_sure": lambda *_: True,
        "_send": lambda *_: None,
        "_receive": lambda *_: ANSWER,
    }
    real = {name: getattr(Connection, name) for name in stubs}
    for name, stub in stubs.items():
        setattr(Connection, name, stub)
    try:
        return tasked_us("plain_http")
    finally:
        for name, method in real.items():
            setattr(Connection, name, method)


class Pair:
    """Two ends of a TCP connection on loopback, neither of them gevent's."""

    def __init__(self) -> None:
        listener = socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        self.near = socket()
        self.near.connect(listener.getsockname())
        self.far, _ = listener.accept()
        listener.close()
        for end in (self.near, self.far):
            end.setsockopt(6, 1, 1)  # TCP_NODELAY
            end.setblocking(False)

    def close(self) -> None:
        self.near.close()
        self.far.close()


def exchanged_us() -> dict[str, float]:
    """Send, wait for the answer in the loop, receive, parse: medians of single exchanges."""
    pair, spent = Pair(), {"send": list[int](), "wait": [], "receive": [], "parse": []}
    hub, me = get_hub(), getcurrent()
    rang = [0]

    def ring() -> None:
        rang[0] = perf_counter_ns()
        me.switch()

    watcher = hub.loop.io(pair.near.fileno(), 1)
    watcher.start(ring)
    for _ in range(ARRIVALS):
        begun = perf_counter_ns()
        pair.near.send(REQUEST)
        sent = perf_counter_ns()
        pair.far.recv(65_536)
        pair.far.send(ANSWER)
        waits = perf_counter_ns()
        hub.switch()
        woken = perf_counter_ns()
        data = pair.near.recv(65_536)
        received = perf_counter_ns()
        whole(data)
        parsed = perf_counter_ns()
        spent["send"].append(sent - begun)
        spent["wait"].append(woken - waits)
        spent["receive"].append(received - woken)
        spent["parse"].append(parsed - received)
    watcher.stop()
    watcher.close()
    pair.close()
    return {name: statistics.median(values[100:]) / 1000 for name, values in spent.items()}


def budget() -> dict[str, float]:
    """Stage -> us a request."""
    gc.disable()
    due = rounds_us(lambda: paced_us(lambda _index, _due_ns: None))
    handed, tasked, clients = handed_us(), tasked_us(str(FOLDER / "empty.py")), clients_us()
    wire, parts = exchanged_us(), recording.parts()
    # What is recorded on the way of a permit is in the parts already.
    on_the_way = parts["permit"] + parts["end"]
    return {
        "what is due": due,
        "hand-over to a user": handed - due - on_the_way,
        "task": tasked - handed,
        "client around the socket": clients - tasked - wire["parse"] - parts["request"],
        "send, with the kernel's way to the other socket": wire["send"],
        "wait: one turn of the loop, one switch": wire["wait"],
        "receive": wire["receive"],
        "parse": wire["parse"],
        "record: permit, request, end": on_the_way + parts["request"],
        "settle, flush and encode": parts["settle"] + parts["flush"] + parts["encode"],
    }


def main() -> int:
    os.sched_setaffinity(0, {Cores.of_this_machine().client})
    stages = budget()
    print("| stage | us a request |\n|---|---|")
    for name, us in stages.items():
        print(f"| {name} | {us:.2f} |")
    print(f"| sum | {sum(stages.values()):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
