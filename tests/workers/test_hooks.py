"""Are the private parts of other packages that the generator leans on still what they were?

Locust, gevent and the HTTP clients promise nothing about them, so a new version of one may falsify
measurements without an error. Each is recorded here by its signature and the SHA-256 of its source;
what is compiled is tested by what it does.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from importlib.metadata import version
from typing import Any

import gevent
import pytest
from gevent import get_hub, getcurrent, socket
from geventhttpclient._parser import HTTPParseError, HTTPResponseParser
from geventhttpclient.connectionpool import ConnectionPool
from locust.env import Environment
from locust.event import EventHook

from tests.workers.hooks import HOOKS, RECORDED_OF, Hook
from workers.clients import traps
from workers.clients.answer import Assembly
from workers.clients.quick import QuickSocket
from workers.engine import patches


@pytest.fixture(autouse=True)
def _as_shipped() -> None:
    traps.remove()
    patches.remove()


def source_sha256(found: Any) -> str:
    return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()


def moved(hook: Hook, what: str) -> str:
    """The sentence of a failure."""
    return (
        f"{hook.name} of {hook.package} {what} between {RECORDED_OF[hook.package]} and "
        f"{version(hook.package)}; {hook.used_in} uses it. Check there: {hook.check}. "
        "Then record the new one here."
    )


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_a_private_part_we_use_is_as_recorded(hook: Hook) -> None:
    try:
        found = hook.found()
    except (ImportError, AttributeError):
        pytest.fail(moved(hook, "went away"))
    if not inspect.isclass(found):
        assert str(inspect.signature(found)) == hook.signature, moved(hook, "takes other arguments")
    assert source_sha256(found) == hook.sha256, moved(hook, "has another source")


def test_every_fix_of_a_client_is_recorded() -> None:
    recorded = {hook.found() for hook in HOOKS}
    missing = [
        f"{owner.__name__}.{name}"
        for owner, name, _ in traps._FIXES
        if getattr(owner, name) not in recorded
    ]
    assert missing == []


def test_a_part_that_moved_is_named_with_both_versions_and_our_file() -> None:
    text = moved(HOOKS[0], "has another source")
    for part in (HOOKS[0].name, HOOKS[0].package, version(HOOKS[0].package), HOOKS[0].used_in):
        assert part in text


def test_the_loop_counts_its_turns() -> None:
    """workers/clients/wire.py: a connection used in this turn is not known to be alive."""
    loop: Any = get_hub().loop
    before = loop.iteration
    assert loop.iteration == before
    gevent.sleep(0.001)
    after = loop.iteration
    assert after > before
    gevent.sleep(0.001)
    assert loop.iteration > after


def test_a_check_of_highest_priority_runs_before_what_the_same_turn_brought() -> None:
    """workers/timer.py: what is due is released before answers are handled."""
    loop: Any = get_hub().loop
    order: list[tuple[str, int]] = []
    reading, writing = os.pipe()
    readable: Any = loop.io(reading, 1)
    look: Any = loop.check()
    look.priority = loop.MAXPRI

    def read() -> None:
        os.read(reading, 1)
        order.append(("io", loop.iteration))

    readable.start(read)
    look.start(lambda: order.append(("check", loop.iteration)))
    try:
        os.write(writing, b"x")
        gevent.sleep(0.01)
    finally:
        for watcher in (look, readable):
            watcher.stop()
            watcher.close()
        os.close(reading)
        os.close(writing)
    (turn,) = [turn for kind, turn in order if kind == "io"]
    assert order.index(("check", turn)) < order.index(("io", turn))


def test_a_watcher_tells_whether_it_is_started() -> None:
    """workers/clients/wire.py starts its own again only when it is not."""
    ours, other = socket.socketpair()
    watcher: Any = get_hub().loop.io(ours.fileno(), 1)
    states = [bool(watcher.active)]
    watcher.start(lambda: None)
    states.append(bool(watcher.active))
    watcher.stop()
    states.append(bool(watcher.active))
    watcher.close()
    ours.close()
    other.close()
    assert states == [False, True, False]


def test_a_callback_of_the_loop_runs_in_the_hub_and_may_switch_to_a_greenlet() -> None:
    """workers/gate.py hands permits over so."""
    hub: Any = get_hub()
    where: list[Any] = []
    ours = getcurrent()

    def wake() -> None:
        where.append(getcurrent())
        ours.switch("permit")

    hub.loop.run_callback(wake)
    assert hub.switch() == "permit"
    assert where == [hub]


def test_a_greenlet_hands_its_locals_to_those_it_spawns() -> None:
    """workers/permit.py finds the arrival of a request so."""

    def child() -> Any:
        here: Any = getcurrent()
        return here.spawn_tree_locals

    def parent() -> bool:
        here: Any = getcurrent()
        here.spawn_tree_locals = {"permit": 1}
        return gevent.spawn(child).get() is here.spawn_tree_locals

    assert gevent.spawn(parent).get()


def test_a_socket_of_gevent_holds_the_one_that_never_waits() -> None:
    """workers/clients/quick.py and wire.py send and read on it."""
    ours, other = socket.socketpair()
    inner: Any = ours._sock  # type: ignore[attr-defined]
    with pytest.raises(BlockingIOError):
        inner.recv(1)
    other.sendall(b"x")
    ours._wait(ours._read_event)  # type: ignore[attr-defined]
    assert inner.recv(1) == b"x"
    assert inner.fileno() == ours.fileno()
    ours.close()
    other.close()


def test_the_pool_of_connections_makes_our_socket() -> None:
    traps.install()
    try:
        pool: Any = ConnectionPool("127.0.0.1", 80, "127.0.0.1", 80)
        made = pool._create_tcp_socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    finally:
        traps.remove()
    assert type(made) is QuickSocket
    made.close()


def test_listeners_of_an_event_are_a_list_that_may_be_replaced() -> None:
    """workers/engine/__init__.py puts its own before the locustfile's."""
    event: Any = Environment().events.request
    told: list[str] = []
    event.add_listener(lambda **_: told.append("theirs"))
    event._handlers[:] = [lambda **_: told.append("ours"), *event._handlers]
    event.fire()
    assert told == ["ours", "theirs"]
    assert type(event) is EventHook


class Heard(HTTPResponseParser):  # type: ignore[misc, unused-ignore]
    """What llhttp calls back, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, object]] = []

    def _on_message_begin(self) -> None:
        self.calls.append(("begin", None))

    def _on_status(self, text: str) -> None:
        self.calls.append(("status", text))

    def _on_header_field(self, text: str) -> None:
        self.calls.append(("field", text))

    def _on_header_value(self, text: str) -> None:
        self.calls.append(("value", text))

    def _on_headers_complete(self) -> bool:
        self.calls.append(("headers", None))
        return False

    def _on_body(self, data: bytearray) -> None:
        self.calls.append(("body", bytes(data)))

    def _on_message_complete(self) -> None:
        self.calls.append(("complete", self.get_code()))


def test_llhttp_calls_back_as_an_answer_is_put_together() -> None:
    """workers/clients/answer.py, `Assembly`."""
    parser = Heard()
    parser.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert parser.calls == [
        ("begin", None),
        ("status", "OK"),
        ("field", "Content-Length"),
        ("value", "2"),
        ("headers", None),
        ("body", b"hi"),
        ("complete", 200),
    ]
    assert parser.should_keep_alive()


def test_a_true_answer_to_the_end_of_headers_means_that_no_body_comes() -> None:
    answer = Assembly(head=True)
    answer.add(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    assert answer.is_complete
    assert answer.answer().body == b""


def test_an_end_of_the_connection_before_the_body_is_an_error_of_the_parser() -> None:
    answer = Assembly(head=False)
    answer.add(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")
    with pytest.raises(HTTPParseError):
        answer.add(b"")
