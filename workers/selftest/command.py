"""What does `--self-test` print?"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence

from contract.units import format_rate
from workers import guard
from workers.engine import Engine
from workers.garbage import Garbage
from workers.gate import Gate
from workers.kernel import Quota
from workers.limits import Need, raise_open_files, read_limits, shortages
from workers.selftest import rates
from workers.selftest.bench import BODIES, Bench, Parts, SelfTestFailed, serving
from workers.selftest.measure import Measured, whole

SCHEMA_VERSION = 1
FAILED = 4


def run_self_test(version: str, *, as_json: bool) -> int:
    """Measure this host and print it; the exit status."""
    quota = Quota()
    for sentence in shortages(read_limits(raise_open_files(), quota), Need()):
        sys.stderr.write(f"{sentence}\n")
    own_guard = guard.install(())
    gate = Gate()
    parts = Parts(gate, Engine(gate, own_guard.names), own_guard, Garbage())
    try:
        with serving() as ports:
            found = tuple(whole(Bench(parts, ports), quota.cores))
    except SelfTestFailed as error:
        sys.stderr.write(f"the self-test failed: {error}\n")
        return FAILED
    if not any(each.disturbed for each in found):
        key = rates.host_key(version, quota.cores)
        rates.keep({m.kind: m.rate_per_s for m in found if m.kind != BODIES}, key)
    said = _document(found, version, quota) if as_json else table(found, host(quota))
    sys.stdout.write(f"{said}\n")
    return 0


def host(quota: Quota) -> str:
    """This host in a few words."""
    cores = os.cpu_count() or 1
    limit = "" if quota.cores is None else f", a quota of {quota.cores:g}"
    return f"{rates.cpu_model()}, {cores} core{'s' if cores > 1 else ''}{limit}"


def table(found: Sequence[Measured], where: str) -> str:
    """For people."""
    lines = [
        f"What one worker can send on this host: {where}",
        "",
        f"{'client':<16}{'arrivals':>12}{'send lag p99':>15}{'CPU each':>11}{'bodies':>12}",
    ]
    for each in found:
        size = "" if each.bytes_per_s is None else f"{each.bytes_per_s / 1e6:,.0f} MB/s"
        mark = " *" if each.disturbed else ""
        lines.append(
            f"{each.kind:<16}{format_rate(each.rate_per_s):>12}{each.lag_s * 1e3:>12.2f} ms"
            f"{each.cost_s * 1e6:>8.0f} us{size:>12}{mark}"
        )
    lines += ["", "The highest rate of Poisson arrivals with a send lag p99 of 1 ms at most."]
    disturbed = [each for each in found if each.disturbed]
    if disturbed:
        most = max(each.disturbed_ratio for each in disturbed)
        lines.append(
            f"* other processes had this core for up to {most:.0%} of the time: the rate is what the"
            " CPU would carry alone; measure again on a quiet host"
        )
    if (os.cpu_count() or 1) < 2:
        lines.append("The server shared the only core: a worker beside no target can send more.")
    return "\n".join(lines)


def _document(found: Sequence[Measured], version: str, quota: Quota) -> str:
    document = {
        "schema_version": SCHEMA_VERSION,
        "version": version,
        "python": platform.python_version(),
        "cpu": rates.cpu_model(),
        "cores": os.cpu_count() or 1,
        "quota_cores": quota.cores,
        "clients": [
            {
                "client": each.kind,
                "rate_per_s": round(each.rate_per_s, 1),
                "send_lag_p99_ms": round(each.lag_s * 1e3, 3),
                "cpu_us": round(each.cost_s * 1e6, 1),
                "bytes_per_s": each.bytes_per_s,
                "disturbed_ratio": round(each.disturbed_ratio, 4),
            }
            for each in found
        ],
    }
    return json.dumps(document, indent=2)
