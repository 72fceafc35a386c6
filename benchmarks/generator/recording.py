"""What does it cost to record one arrival, part by part, and nothing else with it?

    python -m benchmarks.generator.recording

Prints JSON: part -> us an arrival, median of `TIMES`.
"""

from gevent import monkey

monkey.patch_all()  # before anything below imports a socket

import gc  # noqa: E402
import json  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from time import perf_counter_ns  # noqa: E402

from contract.codec import encode  # noqa: E402
from contract.objectives import parse_objective  # noqa: E402
from contract.report import Health, Ledger, Report  # noqa: E402
from workers.clock import monotonic_ns  # noqa: E402
from workers.judge import Judge  # noqa: E402
from workers.permit import SENT  # noqa: E402
from workers.recorder import Recorder  # noqa: E402

PER_FLUSH = 5_000
"""Arrivals of a quarter second at 20,000/s."""
SPAN_NS = 250_000_000
TIMES = 40
PARTS = ("permit", "request", "end", "settle", "flush", "encode")
TIMEOUT_S = 60.0


def once(recorder: Recorder, first: int, epoch_ns: int) -> dict[str, float]:
    """One flush's arrivals; us an arrival of each part, the loop around it taken off."""
    now_ns = monotonic_ns()
    first_ns, gap_ns = now_ns - epoch_ns - SPAN_NS, SPAN_NS // PER_FLUSH
    due = [first_ns + place * gap_ns for place in range(PER_FLUSH)]
    spent: dict[str, float] = {}
    begun = perf_counter_ns()
    for _ in due:
        pass
    empty = perf_counter_ns() - begun
    make, request, end = recorder.permit, recorder.request, recorder.end
    begun = perf_counter_ns()
    permits = [make(first + place, due_ns) for place, due_ns in enumerate(due)]
    spent["permit"] = perf_counter_ns() - begun
    for permit in permits:  # what the gate does when it is acquired
        permit.start, permit.start_ns = SENT, permit.due_ns
    begun = perf_counter_ns()
    for permit in permits:
        request(permit, "/", 0.001)
    spent["request"] = perf_counter_ns() - begun
    begun = perf_counter_ns()
    for permit in permits:
        end(permit)
    spent["end"] = perf_counter_ns() - begun
    spent["settle"] = _timed(recorder.settle)
    reports: list[Report] = []
    spent["flush"] = _timed(lambda: reports.append(recorder.flush(now_ns - epoch_ns, Health())))
    spent["encode"] = _timed(lambda: encode(reports[0]))
    for name in ("permit", "request", "end"):
        spent[name] -= empty
    return {name: spent[name] / PER_FLUSH / 1000 for name in PARTS}


def _timed(call: Callable[[], object]) -> int:
    begun = perf_counter_ns()
    call()
    return perf_counter_ns() - begun


def parts() -> dict[str, float]:
    """Medians by part, in us an arrival."""
    epoch_ns = monotonic_ns() - 4 * SPAN_NS
    header = Report("r", 1, 1, "w1", "boot", 0, 0, 0, Ledger())
    recorder = Recorder(header, Judge([parse_objective("p99 response_time <= 150ms")]), epoch_ns)
    gc.collect()
    gc.disable()
    runs = [once(recorder, number * PER_FLUSH, epoch_ns) for number in range(TIMES)]
    return {name: statistics.median(run[name] for run in runs[3:]) for name in PARTS}


def measured(pin: tuple[str, ...]) -> dict[str, float]:
    """`parts` in a process of its own, on the client's core."""
    argv = [*pin, sys.executable, "-m", "benchmarks.generator.recording"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"recording ended with {done.returncode}:\n{done.stderr[-1000:]}")
    told: dict[str, float] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    print(json.dumps(parts()))
