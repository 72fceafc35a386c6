"""Does the link hide no outage, repeat nothing by itself, and come back?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from gevent.server import StreamServer

from contract import keys
from contract.codec import decode, encode
from contract.messages import Hello, Prepare, Ready
from contract.roster import version_of, without_names
from contract.signing import FleetKey
from contract.units import Rate
from tests.workers.controlling import redis_running
from tests.workers.servers import eventually
from tests.workers.virtual import prepare
from workers.clock import RedisClock, monotonic_ns
from workers.link import Link, LinkLost, Reader, Speaker, connect

READY = Ready("r1", 1, "w1", "b1")
KEY = FleetKey("a key of the fleet, long enough for use")
HELLO = Hello("w1", "b1", "host", 1, "0", Rate(3000.0))


@pytest.fixture
def url(redis_server_program: Path, tmp_path: Path) -> Iterator[str]:
    with redis_running(redis_server_program, tmp_path) as running:
        yield running


@pytest.fixture
def server(url: str) -> Iterator[Any]:
    client = redis.Redis.from_url(url)
    yield client
    client.close()


@pytest.fixture
def link(url: str) -> Iterator[Link]:
    made = Link(url, RedisClock())
    made.start(lambda: HELLO)
    yield made
    made.close("w1", 2.0)


class DeafServer:
    """Lets a client connect, then takes what is sent to it and never answers."""

    def __init__(self) -> None:
        self.received = b""
        self.connections = 0
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.stop(timeout=0)

    def _serve(self, sock: Any, _peer: object) -> None:
        self.connections += 1
        while data := sock.recv(65536):
            self.received += data
            sock.sendall(b"+OK\r\n" * data.upper().count(b"SETINFO"))


@pytest.fixture
def deaf() -> Iterator[DeafServer]:
    server = DeafServer()
    yield server
    server.close()


def test_the_clients_own_retries_and_defaults_are_off() -> None:
    client = connect("redis://127.0.0.1:1/0", answer_s=7.0)
    options = client.connection_pool.connection_kwargs
    connection: Any = client.connection_pool.make_connection()
    assert options["socket_timeout"] == 7.0
    assert options["protocol"] == 2
    assert connection.retry._retries == 0
    assert not connection.retry_on_timeout
    assert connection.retry_on_error == []
    assert connection.health_check_interval == 0


def test_a_message_without_an_answer_is_sent_once(deaf: DeafServer) -> None:
    clock = RedisClock()
    clock.calibrate([(0, 0, 0)])
    speaker = Speaker(deaf.url, clock)
    speaker._redis = connect(deaf.url, answer_s=0.3)
    with pytest.raises((LinkLost, OSError)):
        speaker.speak((READY,), None, None)
    speaker.close()
    assert deaf.received.upper().count(b"XADD") == 1
    assert deaf.connections == 1


@pytest.mark.needs_redis_server
@pytest.mark.slow
def test_a_read_that_blocks_longer_than_the_clients_default_time_out_returns(url: str) -> None:
    reader = Reader(url, block_s=5.5)
    reader.resume()
    assert reader.read() == []
    reader.close()


@pytest.mark.needs_redis_server
def test_what_was_published_before_the_first_read_is_not_lost(url: str, server: Any) -> None:
    server.xadd(keys.CONTROL, {"m": b"old"})
    reader = Reader(url, block_s=0.1)
    reader.resume()
    server.xadd(keys.CONTROL, {"m": b"new"})
    assert reader.read() == [b"new"]
    reader.close()


@pytest.mark.needs_redis_server
def test_a_redis_that_forgot_everything_is_read_from_its_start(url: str, server: Any) -> None:
    reader = Reader(url, block_s=0.1)
    server.xadd(keys.CONTROL, {"m": b"old"})
    reader.resume()
    server.flushall()
    server.xadd(keys.CONTROL, {"m": b"new"}, id="5-1")  # its clock went back, too
    reader.resume()
    assert reader.read() == [b"new"]
    reader.close()


@pytest.mark.needs_redis_server
def test_messages_come_in_replies_go_out_and_the_fleet_is_told(link: Link, server: Any) -> None:
    eventually(lambda: server.hexists(keys.FLEET_HELLO, "w1"))
    assert decode(server.hget(keys.FLEET_HELLO, "w1")) == HELLO
    seconds, _ = server.time()
    assert abs(server.zscore(keys.FLEET_SEEN, "w1") / 1000 - seconds) < 5
    server.xadd(keys.CONTROL, {"m": b"not a message"})
    server.xadd(keys.CONTROL, {"m": encode(prepare())})
    message = link.receive(10.0)
    assert isinstance(message, Prepare)
    link.send(READY)
    eventually(lambda: server.xlen(keys.replies("r1")) == 1)
    ((_, fields),) = server.xrange(keys.replies("r1"))
    assert decode(fields[b"m"]) == READY
    assert 0 < server.ttl(keys.replies("r1")) <= keys.RUN_TTL_S


@pytest.mark.needs_redis_server
def test_a_worker_of_a_large_fleet_looks_its_place_up(link: Link, server: Any) -> None:
    eventually(lambda: server.hexists(keys.FLEET_HELLO, "w1"))
    workers = (*(f"w{number}" for number in range(2, 300)), "w1")
    told = without_names(prepare(workers=workers))
    server.hset(keys.roster("r1", version_of(workers)), "w1", len(workers) - 1)
    server.xadd(keys.CONTROL, {"m": encode(told)})
    message = link.receive(10.0)
    assert isinstance(message, Prepare)
    assert (message.workers.index("w1"), len(message.workers)) == (298, 299)


@pytest.mark.needs_redis_server
def test_a_message_is_not_lost_with_the_connection_that_looks_the_place_up(
    url: str, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def position(_reader: Reader, run: str, _version: str, _worker: str) -> int:
        asked.append(run)
        if len(asked) == 1:
            raise LinkLost("gone")
        return 1

    monkeypatch.setattr(Reader, "position", position)
    link = Link(url, RedisClock(), KEY)
    link.start(lambda: HELLO)
    eventually(lambda: server.hexists(keys.FLEET_HELLO, "w1"))
    now_us = round(server.time()[0] * 1e6)
    told = without_names(prepare(workers=tuple(f"w{number}" for number in range(300))))
    server.xadd(keys.CONTROL, {"m": KEY.sealed(encode(told), now_us)})
    message = link.receive(10.0)
    assert isinstance(message, Prepare)
    assert message.workers[1] == "w1"
    assert asked == ["r1", "r1"]
    link.close("w1", 2.0)


@pytest.mark.needs_redis_server
def test_in_a_large_fleet_replies_go_to_the_stream_of_the_workers_place(
    link: Link, server: Any
) -> None:
    link.watch("r1", 1_500 + 1, 3_000)
    link.send(READY)
    link.send(replace(READY, run="r2"))
    eventually(lambda: server.xlen(keys.replies("r1", 1_501 % 3)) == 1)
    eventually(lambda: server.xlen(keys.replies("r2")) == 1)
    assert server.xlen(keys.replies("r1")) == 0


@pytest.mark.needs_redis_server
def test_only_a_new_number_is_a_beat(link: Link, server: Any) -> None:
    link.watch("r1")
    assert link.beat_ns == 0
    server.set(keys.beat("r1"), 1)
    eventually(lambda: link.beat_ns > 0)
    first = link.beat_ns
    read_before = _commands(server, "get")
    eventually(lambda: _commands(server, "get") >= read_before + 2)
    assert link.beat_ns == first
    server.set(keys.beat("r1"), 2)
    eventually(lambda: link.beat_ns > first)
    link.watch("r2")
    assert link.beat_ns == 0


@pytest.mark.needs_redis_server
def test_a_link_with_a_key_hears_what_is_signed_now_and_once(
    url: str, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(url, RedisClock(), KEY)
    link.start(lambda: HELLO)
    eventually(lambda: server.hexists(keys.FLEET_HELLO, "w1"))
    now_us = round(server.time()[0] * 1e6)
    good = KEY.sealed(encode(prepare()), now_us)
    forged = FleetKey("of somebody else, and long enough too").sealed(encode(prepare()), now_us)
    for data in (
        encode(prepare()),
        forged,
        KEY.sealed(encode(prepare()), now_us - 60_000_000),
        good,
        good,
        KEY.sealed(encode(prepare(seed=2)), now_us + 1),
    ):
        server.xadd(keys.CONTROL, {"m": data})
    assert [link.receive(10.0), link.receive(10.0)] == [prepare(), prepare(seed=2)]
    for why in ("not signed", "another TONNAGE_FLEET_KEY", "is obeyed within 30 s", "repetition"):
        assert why in caplog.text
    link.close("w1", 2.0)


@pytest.mark.needs_redis_server
def test_a_beat_that_is_not_signed_or_was_there_before_keeps_nobody_going(
    url: str, server: Any
) -> None:
    link = Link(url, RedisClock(), KEY)
    link.start(lambda: HELLO)
    link.watch("r1")
    server.set(keys.beat("r1"), b"2" + KEY.beat("r1", 2))
    eventually(lambda: link.beat_ns > 0)
    first = link.beat_ns
    for value in (b"3", b"3" + KEY.beat("r2", 3), b"1" + KEY.beat("r1", 1)):
        server.set(keys.beat("r1"), value)
        _until_read(server)
    assert link.beat_ns == first
    link.close("w1", 2.0)


@pytest.mark.needs_redis_server
def test_after_lost_connections_the_link_goes_on_where_it_was(link: Link, server: Any) -> None:
    eventually(lambda: server.hexists(keys.FLEET_HELLO, "w1"))
    server.client_kill_filter(_type="normal", skipme=True)
    server.xadd(keys.CONTROL, {"m": encode(prepare())})
    link.send(READY)
    assert link.receive(20.0) == prepare()
    eventually(lambda: server.xlen(keys.replies("r1")) == 1)
    assert link.alive


@pytest.mark.needs_redis_server
def test_leaving_sends_what_waits_and_takes_the_worker_out_of_the_fleet(
    url: str, server: Any
) -> None:
    link = Link(url, RedisClock())
    link.start(lambda: HELLO)
    eventually(lambda: server.hexists(keys.FLEET_HELLO, "w1"))
    link.send(READY)
    link.close("w1", 5.0)
    assert server.xlen(keys.replies("r1")) == 1
    assert server.zscore(keys.FLEET_SEEN, "w1") is None
    assert not server.hexists(keys.FLEET_HELLO, "w1")


def test_the_exchange_with_the_shortest_round_trip_sets_the_clock() -> None:
    clock = RedisClock()
    assert not clock.known
    clock.calibrate([(0, 999_999, 50_000_000), (10_000_000, 5_000, 10_200_000)])
    assert clock.local_ns(5_000) == 10_100_000
    assert clock.redis_us(10_100_000) == 5_000
    assert clock.error_us == 100


@pytest.mark.needs_redis_server
def test_the_redis_clock_is_known_to_better_than_the_wall_clocks_granularity(url: str) -> None:
    clock = RedisClock()
    speaker = Speaker(url, clock)
    speaker.calibrate()
    speaker.close()
    assert abs(clock.redis_us(monotonic_ns()) - time.time_ns() // 1000) < 1_000_000
    assert clock.error_us < 1_000_000


def _until_read(server: Any) -> None:
    """Wait until the beat was certainly read once more."""
    before = _commands(server, "get")
    eventually(lambda: _commands(server, "get") >= before + 2)


def _commands(server: Any, name: str) -> int:
    calls: int = server.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0)
    return calls
