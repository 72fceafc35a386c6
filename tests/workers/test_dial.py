"""Does a connection go to the addresses of a name, equally, with TLS as asked, timed and counted?"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from contract.connections import Connections
from contract.report import MOST_ADDRESSES, OTHER_ADDRESSES, Connected
from tests.workers.servers import HttpTarget
from workers.clients.dial import Counts, Dialer
from workers.clients.resolve import Names
from workers.clients.tls import CertificateRefused, TlsError, system_tls, tls_of

TLS = Path(__file__).parent / "tls"
"""An authority, ranker.internal's certificate with its key, a client's; made for these tests."""
AUTHORITY = (TLS / "authority.pem").read_bytes()
SHA256 = "a" * 64
FILES = {"CERT": str(TLS / "client.crt.pem"), "KEY": str(TLS / "client.key.pem")}


class Listening:
    """A socket that listens at an address; the kernel completes the connections."""

    def __init__(self, host: str, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.bind((host, port))
        self._socket.listen(500)
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


@contextmanager
def two_addresses() -> Iterator[int]:
    """The port at which both 127.0.0.1 and 127.0.0.2 listen."""
    one = Listening("127.0.0.1")
    other = Listening("127.0.0.2", one.port)
    try:
        yield one.port
    finally:
        one.close()
        other.close()


def pair() -> Names:
    names = Names(lambda _: ("127.0.0.1", "127.0.0.2"))
    names.keep(["ranker"])
    return names


def test_new_connections_spread_over_the_addresses_of_a_name() -> None:
    with two_addresses() as port:
        dialer = Dialer("ranker", port, names=pair())
        opened = [dialer.open() for _ in range(200)]
        by_address = Counter(one.address for one in opened)
        for one in opened:
            one.socket.close()
    square = sum((count - 100) ** 2 / 100 for count in by_address.values())
    assert set(by_address) == {f"127.0.0.1:{port}", f"127.0.0.2:{port}"}
    assert square < 6.63  # 1 % of chi-square with one degree of freedom


def test_an_address_that_refuses_is_counted_and_the_other_is_taken() -> None:
    listening = Listening("127.0.0.2")
    counts = Counts()
    dialer = Dialer("ranker", listening.port, names=pair(), counts=counts)
    opened = [dialer.open() for _ in range(20)]
    assert {one.address for one in opened} == {f"127.0.0.2:{listening.port}"}
    for one in opened:
        one.socket.close()
        dialer.closed(one.address)
    listening.close()
    other, refusing = counts.drain()
    assert other == Connected(f"127.0.0.2:{listening.port}", 0, 20, 20, 0)
    assert refusing == Connected(f"127.0.0.1:{listening.port}", 0, 0, 0, refusing.failed)
    assert refusing.failed > 0


def test_a_target_that_is_not_there_is_an_error_that_says_why() -> None:
    listening = Listening("127.0.0.1")
    listening.close()
    with pytest.raises(ConnectionRefusedError):
        Dialer("127.0.0.1", listening.port, names=Names()).open()


def test_counts_are_told_once_and_what_is_open_stays() -> None:
    counts = Counts()
    with two_addresses() as port:
        dialer = Dialer("127.0.0.1", port, names=Names(), counts=counts)
        opened = dialer.open()
        assert counts.drain() == (Connected(opened.address, 1, 1, 0, 0),)
        assert counts.drain() == (Connected(opened.address, 1, 0, 0, 0),)
        opened.socket.close()
        dialer.closed(opened.address)
        assert counts.drain() == (Connected(opened.address, 0, 0, 1, 0),)
        assert counts.drain() == ()


def test_many_addresses_are_told_as_some_and_others() -> None:
    counts = Counts()
    for place in range(100):
        for _ in range(1 + (place < 10)):
            counts.begin(f"10.0.0.{place}:80")
            counts.opened(f"10.0.0.{place}:80")
    told = counts.drain()
    assert len(told) == MOST_ADDRESSES + 1
    assert {entry.opened for entry in told[:10]} == {2}
    assert told[-1] == Connected(OTHER_ADDRESSES, 36, 36, 0, 0)


def test_no_address_gets_more_connections_than_the_cap() -> None:
    with two_addresses() as port:
        dialer = Dialer("ranker", port, names=pair(), most=3)
        assert dialer.room() == 6
        opened = [dialer.open() for _ in range(6)]
        assert set(Counter(one.address for one in opened).values()) == {3}
        with pytest.raises(OSError, match="no room for another connection"):
            dialer.open()
        for one in opened:
            one.socket.close()


class Line:
    """What uses a connection."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.retired = 0

    def retire(self) -> None:
        self.retired += 1


def test_connections_to_an_address_that_has_gone_are_retired() -> None:
    addresses = ["127.0.0.1", "127.0.0.2"]
    names = Names(lambda _: tuple(addresses))
    names.keep(["ranker"])
    dialer = Dialer("ranker", 80, names=names)
    leaving, staying = Line("127.0.0.1:80"), Line("127.0.0.2:80")
    dialer.lines.add(leaving)
    dialer.lines.add(staying)
    dialer.look()
    assert (leaving.retired, staying.retired) == (0, 0)
    addresses.remove("127.0.0.1")
    names.refresh()
    dialer.look()
    assert (leaving.retired, staying.retired) == (1, 0)


class Recorded:
    """Phases as they are timed."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, float]] = []

    def __call__(self, name: str, seconds: float) -> None:
        self.phases.append((name, seconds))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.phases]


def served(**options: Any) -> ssl.SSLContext:
    """What a server needs that shows ranker.internal's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "ranker.pem")
    for name, value in options.items():
        setattr(context, name, value)
    return context


@pytest.fixture
def asked_names() -> list[str | None]:
    return []


@pytest.fixture
def target(asked_names: list[str | None]) -> Iterator[HttpTarget]:
    context = served(sni_callback=lambda _sock, name, _context: asked_names.append(name))
    with HttpTarget(ssl_context=context) as target:
        yield target


def dialer_of(target: HttpTarget, policy: Connections, **more: Any) -> Dialer:
    authority = AUTHORITY if policy.ca_sha256 else None
    tls = tls_of(policy, authority, FILES)
    return Dialer("127.0.0.1", target.port, names=Names(), tls=tls, **more)


NAMED = Connections(server_name="ranker.internal", ca_sha256=SHA256)


def test_the_server_name_is_asked_for_and_looked_for(
    target: HttpTarget, asked_names: list[str | None]
) -> None:
    dialer_of(target, NAMED).open().socket.close()
    assert asked_names == ["ranker.internal"]


def test_connecting_and_the_handshake_are_timed_apart(target: HttpTarget) -> None:
    timed = Recorded()
    dialer_of(target, NAMED, timed=timed).open().socket.close()
    assert timed.names == ["connect", "tls"]
    assert all(seconds > 0 for _, seconds in timed.phases)


def test_a_server_that_is_slow_to_accept_shows_in_the_handshake() -> None:
    with HttpTarget(ssl_context=served()) as target:
        target.pause()
        timed = Recorded()
        opening = gevent.spawn(dialer_of(target, NAMED, timed=timed).open)
        gevent.sleep(0.05)
        assert timed.names == ["connect"]  # the kernel's doing; the handshake waits for the server
        target.resume()
        opening.get(timeout=5).socket.close()
    assert timed.names == ["connect", "tls"]
    assert timed.phases[1][1] >= 0.04


REFUSED = [
    (Connections(server_name="ranker.internal"), "unable to get local issuer certificate"),
    (Connections(server_name="ranker.internal"), "name its authority in workload.connections.ca"),
    (Connections(server_name="other.internal", ca_sha256=SHA256), "Hostname mismatch"),
    (Connections(ca_sha256=SHA256), "write the name that it has as workload.connections.server_"),
]


@pytest.mark.parametrize(("policy", "why"), REFUSED)
def test_a_certificate_that_is_not_to_be_trusted_is_refused_with_the_fix(
    target: HttpTarget, policy: Connections, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    counts = Counts()
    with pytest.raises(CertificateRefused, match="certificate verify failed") as refused:
        dialer_of(target, policy, counts=counts).open()
    gevent.sleep(0.01)  # gevent's server prints the handshake that was broken off
    capfd.readouterr()
    assert why in str(refused.value)
    assert counts.drain() == (Connected(target.address, 0, 0, 0, 1),)


def test_without_verification_any_certificate_will_do(target: HttpTarget) -> None:
    dialer_of(target, Connections(verify=False)).open().socket.close()


@pytest.mark.parametrize("own", [{}, {"certificate": "${CERT}", "key": "${KEY}"}])
def test_a_target_that_wants_a_client_certificate_gets_the_workers(own: dict[str, Any]) -> None:
    context = served(verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(TLS / "authority.pem")
    policy = replace(NAMED, **own)
    with HttpTarget(ssl_context=context) as target:
        opened = dialer_of(target, policy).open().socket
        opened.settimeout(5)
        if own:
            opened.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert opened.recv(100).startswith(b"HTTP/1.1 200")
        opened.close()
    assert len(target.requests) == len(own) // 2


UNUSABLE = [
    ({}, {}, "CERT}: the variable is not set in this worker's environment"),
    ({"CERT": "/no/such/file"}, {}, "a file is not on this worker: look at what ${CERT} says"),
    ({"CERT": FILES["CERT"]}, {}, "(in the same file) without a passphrase"),
    (
        {"CERT": FILES["CERT"], "KEY": str(TLS / "localhost.pem")},
        {"key": "${KEY}"},
        "the key belongs to another certificate",
    ),
]


@pytest.mark.parametrize(("environment", "more", "why"), UNUSABLE)
def test_a_certificate_of_our_own_that_cannot_be_used_is_named_by_its_variable(
    environment: dict[str, str], more: dict[str, str], why: str
) -> None:
    policy = Connections(certificate="${CERT}", key=more.get("key"))
    with pytest.raises(TlsError) as refused:
        tls_of(policy, None, environment)
    assert str(refused.value).startswith("workload.connections.certificate ${CERT}")
    assert why in str(refused.value)
    assert "/no/such/file" not in str(refused.value)


@pytest.mark.parametrize("authority", [b"no certificate", b"\xff"])
def test_an_authority_that_is_none_is_refused_with_the_fix(authority: bytes) -> None:
    with pytest.raises(TlsError, match=r"workload\.connections\.ca .* give a PEM file"):
        tls_of(Connections(ca_sha256=SHA256), authority, {})


def test_a_policy_that_says_nothing_of_tls_leaves_it_to_the_system() -> None:
    assert tls_of(Connections(most=3), None, {}) is None
    assert system_tls().context.verify_mode == ssl.CERT_REQUIRED
