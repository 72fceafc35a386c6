"""Is it certain that nothing goes to an address outside the allowed targets?"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from gevent import monkey
from locust import FastHttpUser, HttpUser, User, task

from tests.workers.driving import driving
from tests.workers.servers import HttpTarget, eventually, redirect_to
from workers.guard import AllowListError, Guard, TargetNotAllowed, install, parse_target


@pytest.fixture
def allowed() -> Iterator[HttpTarget]:
    with HttpTarget() as target:
        yield target


@pytest.fixture
def forbidden() -> Iterator[HttpTarget]:
    with HttpTarget() as target:
        yield target


@pytest.fixture
def guard(allowed: HttpTarget) -> Iterator[Guard]:
    guard = install([allowed.address])
    yield guard
    guard.lift()


class ByHttpUser(HttpUser):
    @task
    def go(self) -> None:
        self.client.get("/")


class ByFastHttpUser(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.get("/")


class ByRequests(User):
    @task
    def go(self) -> None:
        try:
            requests.get(f"{self.host}/", timeout=5)
        except requests.ConnectionError as error:
            _fire(self, error)


class BySocket(User):
    @task
    def go(self) -> None:
        try:
            with socket.create_connection(_pair(self.host), timeout=5) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        except OSError as error:
            _fire(self, error)


class ByHttpsFastHttpUser(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.get(f"https://{_pair(self.host)[0]}:{_pair(self.host)[1]}/")


def _pair(host: str | None) -> tuple[str, int]:
    name, _, port = str(host).removeprefix("http://").rpartition(":")
    return name, int(port)


def _fire(user: User, error: Exception) -> None:
    user.environment.events.request.fire(
        request_type="GET",
        name="/",
        response_time=0,
        response_length=0,
        exception=error,
        context={},
    )


CLIENTS = [ByHttpUser, ByFastHttpUser, ByRequests, BySocket, ByHttpsFastHttpUser]


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_locustfile_aimed_elsewhere_opens_no_connection_there(
    kind: type[User], guard: Guard, forbidden: HttpTarget
) -> None:
    with driving(kind, forbidden.url) as driven:
        driven.run_task()
    assert f"connection to {forbidden.address} stopped" in str(driven.errors)
    assert guard.blocked >= 1
    assert guard.blocked_addresses[0][0] == forbidden.address
    assert (forbidden.connections, forbidden.requests) == (0, [])


@pytest.mark.parametrize("kind", [ByHttpUser, ByFastHttpUser, ByRequests, BySocket])
def test_without_the_guard_the_same_locustfile_does_arrive(
    kind: type[User], forbidden: HttpTarget
) -> None:
    with driving(kind, forbidden.url) as driven:
        driven.run_task()
        eventually(lambda: forbidden.connections == 1)


def test_the_allowed_target_is_reached(guard: Guard, allowed: HttpTarget) -> None:
    with driving(ByFastHttpUser, allowed.url) as driven:
        driven.run_task()
    assert driven.errors == [None]
    assert (guard.blocked, len(allowed.requests)) == (0, 1)


class FastRedirected(FastHttpUser):
    @task
    def go(self) -> None:
        self.client.get("/", allow_redirects=True)


class Redirected(HttpUser):
    @task
    def go(self) -> None:
        self.client.get("/", allow_redirects=True)


@pytest.mark.parametrize("kind", [Redirected, FastRedirected])
def test_a_redirect_out_of_the_allowed_targets_ends_at_the_guard(
    kind: type[User], guard: Guard, allowed: HttpTarget, forbidden: HttpTarget
) -> None:
    allowed.answer = lambda _request: [redirect_to(forbidden.url)]
    with driving(kind, allowed.url) as driven:
        driven.run_task()
    assert f"connection to {forbidden.address} stopped" in str(driven.errors)
    assert len(allowed.requests) == 1
    assert forbidden.connections == 0


def test_connect_ex_gives_an_error_and_no_connection(guard: Guard, forbidden: HttpTarget) -> None:
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", forbidden.port)) == errno.EACCES
    assert forbidden.connections == 0


def test_the_socket_beneath_gevents_and_the_unpatched_one_are_held_too(
    guard: Guard, forbidden: HttpTarget
) -> None:
    unpatched: Callable[[], Any] = monkey.get_original("socket", "socket")
    patched: Callable[[], Any] = socket.socket
    with patched() as wrapped, unpatched() as plain:
        for sock in (wrapped._sock, plain):
            with pytest.raises(TargetNotAllowed):
                sock.connect(("127.0.0.1", forbidden.port))
    assert forbidden.connections == 0


def test_no_datagram_leaves_but_to_what_is_allowed(guard: Guard, allowed: HttpTarget) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as ear,
        socket.socket(type=socket.SOCK_DGRAM) as mouth,
    ):
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        for send in (
            lambda address: mouth.sendto(b"no", address),
            lambda address: mouth.sendmsg([b"no"], [], 0, address),
            mouth.connect,
        ):
            with pytest.raises(TargetNotAllowed):
                send(ear.getsockname())
        guard.also(*ear.getsockname())
        mouth.sendto(b"yes", ear.getsockname())
        assert ear.recv(10) == b"yes"


def test_a_name_server_may_be_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, guard: Guard
) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search x\nnameserver 127.0.0.9\nnameserver\n")
    monkeypatch.setattr("workers.guard.RESOLV_CONF", resolv_conf)
    guard.update([])
    with socket.socket(type=socket.SOCK_DGRAM) as mouth:
        mouth.sendto(b"?", ("127.0.0.9", 53))
        with pytest.raises(TargetNotAllowed):
            mouth.sendto(b"?", ("127.0.0.9", 54))


def test_unix_sockets_stay_open_for_redis(guard: Guard, tmp_path: Path) -> None:
    path = str(tmp_path / "redis.sock")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
    assert guard.blocked == 0


def test_what_is_allowed_changes_with_the_run_and_redis_stays(
    guard: Guard, allowed: HttpTarget, forbidden: HttpTarget
) -> None:
    guard.also("127.0.0.1", forbidden.port)
    guard.reset()
    with pytest.raises(TargetNotAllowed, match="allows nothing"):
        socket.create_connection(("127.0.0.1", allowed.port))
    socket.create_connection(("127.0.0.1", forbidden.port)).close()
    guard.update([allowed.address])
    socket.create_connection(("127.0.0.1", allowed.port)).close()


def test_the_refusal_names_the_address_the_allowed_ones_and_the_fix(
    guard: Guard, allowed: HttpTarget
) -> None:
    with pytest.raises(TargetNotAllowed) as caught:
        socket.create_connection(("192.0.2.7", 80))
    assert caught.value.errno == errno.EACCES
    assert "192.0.2.7:80" in str(caught.value)
    assert allowed.address in str(caught.value)
    assert "--allow-target 192.0.2.7:80" in str(caught.value)


def test_a_port_is_part_of_the_target(guard: Guard, allowed: HttpTarget) -> None:
    with pytest.raises(TargetNotAllowed):
        guard.check(socket.AF_INET, ("127.0.0.1", allowed.port + 1))


def test_names_are_compared_by_address(guard: Guard, allowed: HttpTarget) -> None:
    guard.update([f"localhost:{allowed.port}"])
    guard.check(socket.AF_INET, ("127.0.0.1", allowed.port))
    socket.create_connection(("localhost", allowed.port)).close()


@pytest.mark.parametrize(
    "address", [("::1", 81, 0, 0), ("0:0:0:0:0:0:0:1", 81, 0, 0), (b"::1", 81)]
)
def test_an_ipv6_target_is_written_in_brackets_and_known_in_any_spelling(
    guard: Guard, address: object
) -> None:
    guard.update(["[::1]:81"])
    guard.check(socket.AF_INET6, address)


def test_an_ipv4_address_inside_ipv6_is_the_same_address(guard: Guard) -> None:
    guard.update(["127.0.0.1:81"])
    guard.check(socket.AF_INET6, ("::ffff:127.0.0.1", 81, 0, 0))


@pytest.mark.parametrize(
    "address", ["nonsense", ("127.0.0.1",), (None, 1), ("", 80), ("0.0.0.0", 80)]
)
def test_what_is_not_understood_is_refused(guard: Guard, address: object) -> None:
    with pytest.raises(TargetNotAllowed):
        guard.check(socket.AF_INET, address)


def test_families_other_than_the_machines_own_are_refused(guard: Guard) -> None:
    with pytest.raises(TargetNotAllowed):
        guard.check(40, (3, 1234))  # AF_VSOCK: out of a virtual machine to its host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":80",
        "host:",
        "host:0",
        "host:x",
        "h:65536",
        "http://h:80",
        "::1:80",
        "[]:80",
        "host:²",
    ],
)
def test_an_entry_that_is_not_host_and_port_is_refused_with_the_fix(text: str) -> None:
    with pytest.raises(AllowListError, match="HOST:PORT"):
        parse_target(text)


def test_a_host_without_address_is_refused_and_what_was_allowed_stands(
    guard: Guard, allowed: HttpTarget
) -> None:
    with pytest.raises(AllowListError, match=r"nowhere\.invalid:80"):
        guard.update(["nowhere.invalid:80"])
    guard.check(socket.AF_INET, ("127.0.0.1", allowed.port))


def test_blocked_attempts_are_counted_by_address_up_to_a_limit(guard: Guard) -> None:
    for port in [*range(1, 150), 1]:
        with pytest.raises(TargetNotAllowed):
            guard.check(socket.AF_INET, ("192.0.2.1", port))
    assert guard.blocked == 150
    assert guard.blocked_addresses[0] == ("192.0.2.1:1", 2)
    assert len(guard.blocked_addresses) == 100
