"""What happens to a worker's connections: refused, sent again, and ports used up?"""

from __future__ import annotations

import errno
import resource
import socket as sockets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from tests.workers.ports import free_port
from workers.sockets import LOOKED_AT_ONCE, Sockets, busiest

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"


@pytest.fixture
def watched() -> Iterator[Sockets]:
    watched = Sockets()
    watched.install()
    watched.install()  # a second time changes nothing
    yield watched
    watched.remove()


@pytest.fixture
def listening() -> Iterator[Any]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield server


def test_a_connect_that_fails_is_counted_by_its_errno(watched: Sockets) -> None:
    for _ in range(2):
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", free_port()))
    watched.refuse(OSError(errno.EADDRNOTAVAIL, "no port"))
    assert watched.take_refused() == (("ECONNREFUSED", 2), ("EADDRNOTAVAIL", 1))
    assert watched.take_refused() == ()


def test_a_socket_that_cannot_even_be_made_is_counted(watched: Sockets) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(map(int, (p.name for p in Path("/proc/self/fd").iterdir()))) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
    made: list[Any] = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            made.extend(socket.socket() for _ in range(used + 1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in made:
            one.close()
    assert watched.take_refused() == (("EMFILE", 1),)


def told_by(retransmits: dict[Any, int]) -> type:
    """A socket whose kernel tells of so many retransmits."""

    class Told:
        def getsockopt(self, _level: int, _name: int, length: int) -> bytes:
            info = bytearray(length)
            info[100:104] = retransmits[self].to_bytes(4, "little")
            return bytes(info)

    return Told


def test_segments_sent_again_are_counted_once(watched: Sockets) -> None:
    counts: dict[Any, int] = {}
    kind = told_by(counts)
    target, service = kind(), kind()
    counts |= {target: 3, service: 50}
    ours = Sockets(not_to=(6379,))
    ours.watch(target, ("10.0.0.1", 80))
    ours.watch(service, ("10.0.0.2", 6379))
    assert ours.take_retransmits() == 3
    assert ours.take_retransmits() == 0
    counts[target] = 5
    assert ours.take_retransmits() == 2


def test_a_reading_looks_at_a_bounded_number_of_connections_and_all_have_their_turn() -> None:
    counts: dict[Any, int] = {}
    kind = told_by(counts)
    many = [kind() for _ in range(500)]
    counts |= dict.fromkeys(many, 1)
    ours = Sockets()
    for one in many:
        ours.watch(one, ("10.0.0.1", 80))
    each = [ours.take_retransmits() for _ in range(500 // LOOKED_AT_ONCE + 1)]
    assert each == [LOOKED_AT_ONCE] * (500 // LOOKED_AT_ONCE) + [0]


def test_a_real_connection_is_watched_until_it_is_closed(watched: Sockets, listening: Any) -> None:
    client = socket.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"
    assert watched.take_retransmits() == 0
    assert client in watched._known
    client.close()
    accepted.close()
    assert client not in watched._known


def test_sockets_are_as_they_were_once_nobody_watches() -> None:
    before = socket.socket.connect
    watched = Sockets()
    watched.install()
    assert socket.socket.connect is not before
    watched.remove()
    assert socket.socket.connect is before


def line(number: int, local: str, remote: str, state: str = "01") -> str:
    return f"{number:4d}: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  0\n"


def tables(folder: Path, four: str, six: str = "") -> Path:
    (folder / "net").mkdir()
    (folder / "net" / "tcp").write_text(HEADER + four)
    if six:
        (folder / "net" / "tcp6").write_text(HEADER + six)
    return folder


def test_ports_are_counted_towards_the_busiest_address(tmp_path: Path) -> None:
    busy = [line(n, f"0100007F:{0x8000 + n:04X}", "0500000A:0050") for n in range(3)]
    waits = line(3, "0100007F:9001", "0500000A:0050", "06")  # in TIME_WAIT
    others = [
        line(4, "00000000:2382", "00000000:0000", "0A"),  # a listener
        line(5, "0100007F:0050", "0100007F:9000"),  # a server's end
        line(6, "0100007F:9002", "0600000A:0050"),
    ]
    assert busiest((0x8000, 0xEE47), tables(tmp_path, "".join([*busy, waits, *others]))) == (
        "10.0.0.5:80",
        4,
    )


def test_addresses_of_the_sixth_version_are_written_as_one_writes_them(tmp_path: Path) -> None:
    local = "00000000000000000000000001000000:9000"
    six = line(0, local, "B80D0120000000000000000001000000:01BB")
    assert busiest((0x8000, 0xEE47), tables(tmp_path, "", six)) == ("[2001:db8::1]:443", 1)


def test_a_mapped_address_is_written_as_the_fourth_version(tmp_path: Path) -> None:
    local = "0000000000000000FFFF00000100007F:9000"
    six = line(0, local, "0000000000000000FFFF00000500000A:0050")
    assert busiest((0x8000, 0xEE47), tables(tmp_path, "", six)) == ("10.0.0.5:80", 1)


def test_the_tables_of_this_host_can_be_counted(listening: Any) -> None:
    client = sockets.create_connection(listening.getsockname())
    accepted, _ = listening.accept()
    gevent.sleep(0)
    first, last = client.getsockname()[1], client.getsockname()[1]
    assert busiest((first, last)) == (f"127.0.0.1:{listening.getsockname()[1]}", 1)
    client.close()
    accepted.close()
