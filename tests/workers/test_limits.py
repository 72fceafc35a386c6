"""Which limits of the operating system could stop a worker, and what is the cure?"""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.workers.virtual import prepare
from workers.kernel import Quota, resident_bytes, tcp_sockets, throttled_ns, waited_ns
from workers.limits import Limits, Need, read_limits, shortages
from workers.preparation import need_of

ROOMY = Limits()


@pytest.mark.parametrize(
    ("limits", "need", "says"),
    [
        (ROOMY, Need(), ""),
        (
            Limits(open_files=1_024),
            Need(users=4_000),
            (
                "4,000 users may need 4,064 open files, the limit is 1,024: raise it with ulimit -n,"
                " or start more workers"
            ),
        ),
        (
            Limits(ports=(32_768, 60_999)),
            Need(users=1_000, dials_per_s=500),
            (
                "1,000 users and 500 new connections/s, each of which keeps its port for 60 s after"
                " its end, may need 31,000 local ports to one address, there are 28,232: keep"
                " connections alive, widen net.ipv4.ip_local_port_range (32768 to 60999), or start"
                " workers on another host"
            ),
        ),
        (
            Limits(waiting=128),
            Need(targets=("http://127.0.0.1:9100",)),
            (
                "a target on this host can have 128 connections that it has not accepted yet, a"
                " burst may need 1,024: sysctl -w net.core.somaxconn=1024"
            ),
        ),
        (Limits(waiting=128), Need(targets=("http://10.0.0.5:80",)), ""),
        (
            Limits(cores=0.5),
            Need(),
            "the CPU quota is 0.5 of a core, a worker needs 1: raise the limit, or take it away",
        ),
        (Limits(cores=2.0), Need(), ""),
    ],
)
def test_a_limit_that_is_too_low_is_told_with_the_need_and_the_cure(
    limits: Limits, need: Need, says: str
) -> None:
    assert shortages(limits, need) == ((says,) if says else ())


def test_this_host_has_limits_that_can_be_read() -> None:
    limits = read_limits(4_096, Quota())
    assert limits.open_files == 4_096
    assert limits.port_count > 1_000
    assert limits.waiting > 0


def test_a_host_without_these_files_is_taken_to_have_the_usual_ones(tmp_path: Path) -> None:
    assert read_limits(100, Quota(tmp_path, tmp_path), tmp_path) == Limits(open_files=100)


def test_a_run_needs_what_may_be_in_flight_of_its_highest_rate() -> None:
    need = need_of(prepare())  # 50/s a worker, a limit of 100 ms
    assert need == Need(115, 0.0, ("http://127.0.0.1:9100",))


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_quota_is_the_tightest_one_from_the_own_cgroup_up(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    written(proc / "self" / "cgroup", "0::/pod/worker\n")
    written(groups / "cpu.max", "max 100000\n")
    written(groups / "pod" / "cpu.max", "150000 100000\n")
    written(groups / "pod" / "worker" / "cpu.max", "max 100000\n")
    quota = Quota(proc, groups)
    assert quota.cores == 1.5
    assert quota.stat == groups / "pod" / "cpu.stat"


def test_the_quota_of_the_first_version_of_cgroups_is_read_too(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    written(proc / "self" / "cgroup", "9:memory:/a\n4:cpu,cpuacct:/a/b\n")
    written(groups / "cpu,cpuacct" / "cpu.cfs_quota_us", "50000\n")
    written(groups / "cpu,cpuacct" / "cpu.cfs_period_us", "100000\n")
    assert Quota(proc, groups).cores == 0.5


def test_no_quota_is_none(tmp_path: Path) -> None:
    written(tmp_path / "self" / "cgroup", "0::/\n")
    written(tmp_path / "cpu.max", "max 100000\n")
    assert Quota(tmp_path, tmp_path).cores is None


def test_the_kernels_files_are_read_as_it_writes_them() -> None:
    assert waited_ns("750385 192486 3\n") == 192_486
    assert tcp_sockets("sockets: used 9\nTCP: inuse 10 orphan 0 tw 220 alloc 102 mem 0\n") == 322
    assert throttled_ns("nr_periods 5\nnr_throttled 1\nthrottled_usec 250\n") == 250_000
    assert throttled_ns("nr_periods 5\nnr_throttled 1\nthrottled_time 250\n") == 250
    assert resident_bytes("5000 1000 300 1 0 500 0\n") == 1_000 * resource.getpagesize()
    assert (waited_ns(""), tcp_sockets(""), throttled_ns("")) == (0, 0, 0)
    assert resident_bytes("") > 0
