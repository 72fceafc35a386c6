"""Are the numbers that other load generators print read as they mean them?"""

from __future__ import annotations

import json

import pytest

from benchmarks.generator import peers, stock

HEY = """
Summary:
  Total:	1.5000 secs
  Slowest:	0.0128 secs
  Requests/sec:	21676.1401

  Total data:	499422 bytes
  Size/request:	23 bytes

Status code distribution:
  [200]	21714 responses
"""
WRK = """
Running 1s test @ http://127.0.0.1:18080/
  1 threads and 50 connections
  84448 requests in 1.00s, 13.77MB read
Requests/sec:  84050.36
Transfer/sec:     13.71MB
"""
K6 = """
     http_req_failed................: 0.10%  ✓ 12   ✗ 11988
     http_reqs......................: 12000  5990.5/s
"""
VEGETA = {
    "duration": 1_900_000_000,
    "wait": 100_000_000,
    "requests": 1000,
    "throughput": 495.0,
    "success": 0.99,
    "bytes_in": {"total": 23_000},
}


def test_hey_tells_requests_and_the_bytes_of_bodies() -> None:
    assert peers.read_hey(HEY) == peers.Reading(21676.1401, 499422 / 1.5, 0)


def test_answers_that_are_no_success_are_failures_of_hey() -> None:
    text = HEY.replace("[200]\t21714", "[200]\t21700") + "  [503]\t14 responses\n"
    assert peers.read_hey(text).failed == 14


def test_requests_that_hey_could_not_send_are_failures() -> None:
    text = HEY + '\nError distribution:\n  [7]\tGet "http://x": connection refused\n'
    assert peers.read_hey(text).failed == 7


def test_wrk_and_wrk2_tell_requests_and_bytes() -> None:
    reading = peers.read_wrk(WRK)
    assert (reading.per_s, reading.failed) == (84050.36, 0)
    assert reading.bytes_per_s == pytest.approx(13.71 * 1024**2)


def test_wrk_names_its_failures() -> None:
    assert peers.read_wrk(WRK + "  Non-2xx or 3xx responses: 12\n").failed == 12


def test_k6_tells_requests_and_failures() -> None:
    assert peers.read_k6(K6) == peers.Reading(5990.5, None, 12)


def test_vegeta_tells_requests_bytes_and_failures() -> None:
    assert peers.read_vegeta(json.dumps(VEGETA)) == peers.Reading(495.0, 11_500.0, 10)


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_a_tool_that_says_nothing_is_an_error_and_no_zero(peer: peers.Peer) -> None:
    with pytest.raises(RuntimeError):
        peer.read("dial tcp: connection refused")


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_every_tool_is_told_the_url(peer: peers.Peer) -> None:
    command = peer.command("http://127.0.0.1:9/x", 2.0)
    assert any("http://127.0.0.1:9/x" in word for word in command)


def stats(per_second: dict[str, int], failures: int = 0) -> str:
    return json.dumps([{"num_failures": failures, "num_reqs_per_sec": per_second}])


def test_stock_locust_counts_in_its_full_seconds() -> None:
    assert stock.read(stats({"10": 5510, "11": 7000, "12": 9000, "13": 651})) == 8000


def test_requests_of_several_names_add_up() -> None:
    entry = {"num_failures": 0, "num_reqs_per_sec": {"1": 1, "2": 10, "3": 1}}
    assert stock.read(json.dumps([entry, entry])) == 20


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (stats({"10": 5, "11": 5, "12": 5}, failures=3), "3 requests of stock Locust failed"),
        (stats({"10": 5, "11": 5}), "no full second"),
        ("no JSON", "locust said 'no JSON'"),
    ],
)
def test_stock_locust_without_a_rate_is_an_error(text: str, says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        stock.read(text)
