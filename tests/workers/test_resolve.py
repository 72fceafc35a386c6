"""Do guard and clients take their addresses from one answer, and what when a name moves?"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from tests.workers.servers import eventually
from workers.clients.resolve import Names, beneath, look_up
from workers.guard import AllowListError, Guard, TargetNotAllowed, install


class Register:
    """A name server: host and addresses, changed as a test goes on."""

    def __init__(self, **hosts: tuple[str, ...]) -> None:
        self.hosts = hosts
        self.asked: Counter[str] = Counter()

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked[host] += 1
        if host not in self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.hosts[host]


@pytest.fixture
def register() -> Register:
    return Register(ranker=("127.0.0.1", "127.0.0.2"))


@pytest.fixture
def names(register: Register) -> Iterator[Names]:
    names = Names(register)
    yield names
    names.every(None)


@pytest.fixture
def guard(names: Names) -> Iterator[Guard]:
    guard = install(["ranker:80"], names)
    yield guard
    guard.lift()


def test_a_kept_host_is_asked_for_once(names: Names, register: Register) -> None:
    names.keep(["Ranker"])
    assert [names.of("ranker") for _ in range(3)] == [("127.0.0.1", "127.0.0.2")] * 3
    assert register.asked == {"ranker": 1}


def test_addresses_come_first_equally_often(names: Names) -> None:
    names.keep(["ranker"])
    firsts = Counter(names.shuffled("ranker")[0] for _ in range(2000))
    square = sum((count - 1000) ** 2 / 1000 for count in firsts.values())
    assert square < 6.63  # 1 % of chi-square with one degree of freedom


def test_addresses_of_the_other_family_come_last(register: Register, names: Names) -> None:
    register.hosts["both"] = ("::1", "127.0.0.1", "::2", "127.0.0.2")
    names.keep(["both"])
    for _ in range(20):
        tried = names.shuffled("both")
        assert (set(tried[:2]), set(tried[2:])) == ({"::1", "::2"}, {"127.0.0.1", "127.0.0.2"})


def test_a_name_that_moves_is_followed_by_clients_and_guard_alike(
    register: Register, names: Names, guard: Guard
) -> None:
    guard.check(socket.AF_INET, ("127.0.0.1", 80))
    register.hosts["ranker"] = ("127.0.0.2", "127.0.0.3")
    names.refresh()
    assert names.of("ranker") == ("127.0.0.2", "127.0.0.3")
    guard.check(socket.AF_INET, ("127.0.0.3", 80))
    with pytest.raises(TargetNotAllowed, match=r"127\.0\.0\.1:80 stopped"):
        guard.check(socket.AF_INET, ("127.0.0.1", 80))


def test_names_are_resolved_again_as_often_as_asked(
    register: Register, names: Names, guard: Guard
) -> None:
    guard.update(["ranker:80"], resolve_s=0.001)
    register.hosts["ranker"] = ("127.0.0.3",)
    eventually(lambda: names.of("ranker") == ("127.0.0.3",))
    guard.reset()
    asked = register.asked.total()
    gevent.sleep(0.01)
    assert register.asked.total() == asked
    with pytest.raises(TargetNotAllowed):
        guard.check(socket.AF_INET, ("127.0.0.3", 80))


def test_a_name_without_an_answer_keeps_the_addresses_it_had(
    register: Register, names: Names, guard: Guard
) -> None:
    del register.hosts["ranker"]
    names.refresh()
    assert names.of("ranker") == ("127.0.0.1", "127.0.0.2")
    guard.check(socket.AF_INET, ("127.0.0.2", 80))


def test_only_a_change_is_told(register: Register, names: Names) -> None:
    names.keep(["ranker"])
    told: list[tuple[str, ...]] = []
    end = names.on_change(lambda: told.append(names.of("ranker")))
    register.hosts["ranker"] = ("127.0.0.2", "127.0.0.1")  # another order
    names.refresh()
    register.hosts["ranker"] = ("127.0.0.2",)
    names.refresh()
    end()
    register.hosts["ranker"] = ("127.0.0.4",)
    names.refresh()
    assert told == [("127.0.0.2",)]


def test_whoever_asks_through_gevent_gets_the_addresses_that_are_allowed(
    register: Register, guard: Guard
) -> None:
    register.hosts["ranker"] = ("127.0.0.9",)  # what a second question would give
    for module in (socket, gevent.socket):
        found = module.getaddrinfo("ranker", 80, 0, socket.SOCK_STREAM)
        assert {entry[4] for entry in found} == {("127.0.0.1", 80), ("127.0.0.2", 80)}
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("ranker", 80, socket.AF_INET6)
    assert register.asked.total() == 1


def test_other_questions_go_to_the_system(guard: Guard) -> None:
    assert socket.getaddrinfo("127.0.0.7", 9)[0][4] == ("127.0.0.7", 9)
    assert socket.gethostbyname("127.0.0.7") == "127.0.0.7"
    assert "127.0.0.1" in look_up("localhost")
    assert type(beneath()).__module__.startswith("gevent")


def test_a_name_itself_is_no_address_to_connect_to(guard: Guard) -> None:
    with pytest.raises(TargetNotAllowed):
        guard.check(socket.AF_INET, ("ranker", 80))


def test_a_host_without_an_address_is_named_and_what_was_kept_stands(guard: Guard) -> None:
    with pytest.raises(AllowListError, match=r"allowed target nobody:81 has no address: Name"):
        guard.update(["ranker:80", "nobody:81"])
    guard.check(socket.AF_INET, ("127.0.0.1", 80))


def test_a_run_that_came_meanwhile_is_left_alone(register: Register) -> None:
    runs: list[Names] = []

    def slow(host: str) -> tuple[str, ...]:
        if host == "ranker" and register.asked["ranker"] == 1:
            runs[0].keep(["other"])
        return register(host)

    register.hosts["other"] = ("127.0.0.8",)
    names = Names(slow)
    runs.append(names)
    names.keep(["ranker"])
    names.refresh()
    assert names.kept("ranker") is None
    assert names.kept("other") == ("127.0.0.8",)
