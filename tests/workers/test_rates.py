"""What can a worker send, and does it have to find out?"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import pytest

from workers.selftest.rates import (
    FILE,
    KEPT,
    LOCK,
    RATE_VARIABLE,
    UNKNOWN,
    RateInvalid,
    Rates,
    cache_folder,
    cpu_model,
    given,
    host_key,
    keep,
    of_host,
)

FOUND = {"InferenceUser": 12_000.0, "FastHttpUser": 3_000.0, "HttpUser": 600.0}


@dataclass
class Host:
    """A self-test that counts how often it is asked."""

    times: int = 0
    found: Mapping[str, float] = field(default_factory=lambda: dict(FOUND))

    def measure(self) -> Mapping[str, float]:
        self.times += 1
        return self.found


def test_the_slowest_client_of_a_locustfile_counts() -> None:
    rates = Rates(FOUND, "a test")
    assert rates.of() == 12_000.0
    assert rates.of(["FastHttpUser", "InferenceUser"]) == 3_000.0
    assert rates.of(["HttpUser"]) == 600.0


def test_a_client_of_its_own_is_counted_on_for_half_of_the_quickest() -> None:
    assert Rates(FOUND, "a test").of(["User"]) == 6_000.0
    assert Rates(FOUND, "a test").of(["User", "HttpUser"]) == 600.0


def test_what_is_not_known_is_zero() -> None:
    assert UNKNOWN.of() == 0.0
    assert UNKNOWN.of(["User"]) == 0.0
    assert Rates(FOUND, "a test").of([]) == 0.0


def test_the_first_worker_measures_and_the_next_one_reads(tmp_path: Path) -> None:
    host = Host()
    first = of_host(host.measure, "this host", tmp_path)
    second = of_host(host.measure, "this host", tmp_path)
    assert host.times == 1
    assert first.by_kind == second.by_kind == FOUND
    assert second.told == tuple(FOUND.items())
    assert second.source == str(tmp_path / FILE)


def test_another_host_is_measured_for_itself(tmp_path: Path) -> None:
    host = Host()
    of_host(host.measure, "this host", tmp_path)
    host.found = {"InferenceUser": 1.0}
    assert of_host(host.measure, "another host", tmp_path).of() == 1.0
    assert of_host(host.measure, "this host", tmp_path).of() == 12_000.0
    assert host.times == 2


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"this host": 7}', '{"this host": {"A": []}}']
)
def test_a_file_that_is_not_ours_is_measured_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    host = Host()
    assert of_host(host.measure, "this host", tmp_path).by_kind == FOUND
    assert json.loads((tmp_path / FILE).read_text()) == {"this host": FOUND}


def test_a_folder_that_cannot_be_written_costs_a_self_test_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    host = Host()
    assert of_host(host.measure, "this host", tmp_path / "file" / "below").by_kind == FOUND
    assert host.times == 1


def test_two_workers_that_start_together_measure_once(tmp_path: Path) -> None:
    host = Host()
    with (tmp_path / LOCK).open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)  # the other one is at it
        waiting = gevent.spawn(of_host, host.measure, "this host", tmp_path)
        gevent.sleep(0.1)
        assert host.times == 0
        (tmp_path / FILE).write_text(json.dumps({"this host": FOUND}))
    assert waiting.get(timeout=5).by_kind == FOUND
    assert host.times == 0


def test_the_file_keeps_the_latest_hosts(tmp_path: Path) -> None:
    for number in range(2 * KEPT):
        keep({"InferenceUser": float(number)}, f"host {number}", tmp_path)
    known = json.loads((tmp_path / FILE).read_text())
    assert list(known) == [f"host {number}" for number in range(KEPT, 2 * KEPT)]


def test_an_operators_rate_is_every_clients() -> None:
    rates = given({RATE_VARIABLE: " 3k/s "})
    assert rates is not None
    assert {rates.of([kind]) for kind in ("InferenceUser", "HttpUser", "User")} == {3_000.0}
    assert given({}) is None
    assert given({RATE_VARIABLE: ""}) is None


def test_an_operators_rate_that_is_none_is_refused_with_the_fix() -> None:
    with pytest.raises(RateInvalid, match=r"TONNAGE_WORKER_RATE: '3000'.* write arrivals per s"):
        given({RATE_VARIABLE: "3000"})


def test_what_the_rates_depend_on_is_in_the_key() -> None:
    assert host_key("1.2.3", None) != host_key("1.2.4", None)
    assert host_key("1.2.3", 0.5) != host_key("1.2.3", None)
    assert "no quota, 1.2.3" in host_key("1.2.3", None)


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: EPYC 9\nmodel name\t: EPYC 9\n")
    assert cpu_model(cpuinfo) == "EPYC 9"
    assert cpu_model(tmp_path / "absent") != ""


def test_the_users_cache_is_where_the_desktop_says() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/tonnage")
    assert cache_folder({}) == Path.home() / ".cache" / "tonnage"
