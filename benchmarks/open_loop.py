"""What does a load generator report of a server that stalls for a second?

An open loop sends every arrival when it is due and counts from there. Stock Locust's users wait
for an answer before they go on: while the server stalls they stop asking, and what was never
asked is in no percentile. Both run the same locustfile against the same kind of server, which
counts what reaches it. Beside what each tool reports stands what arrivals on the nominal
schedule would have waited, computed from the server's own stalls.

    python -m benchmarks.open_loop [--rate 100/s] [--case once|every] [--runs 1] [--json FILE]

Exit 1 when a Tonnage worker did not send every arrival, or reports a p95 off by more than 10 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import own_fleet, own_server, stock_run
from benchmarks.stalling_target import Case, Quantiles, scheduled_in_stalls, seen
from benchmarks.stock_run import Told
from contract.units import parse_rate

USERS = (10, 50)
KINDS = ("constant_throughput", "poisson")
P95_OFF_RATIO = 0.10
"""After a stall a hundred answers come at once, and the client takes its time to read them."""

Tool = Callable[[str, Path], Told]


@dataclass(frozen=True, slots=True)
class Row:
    """One tool on one server. Times in ms: p50, p95, p99."""

    case: str
    tool: str
    scheduled: int
    sent: int
    scheduled_in_stalls: int
    sent_in_stalls: int
    reported_ms: Quantiles
    from_due_ms: Quantiles
    at_server_ms: Quantiles
    send_lag_p99_ms: float | None

    @property
    def is_ours(self) -> bool:
        return self.tool.startswith("Tonnage")

    @property
    def is_open_loop(self) -> bool:
        """Whether everything was sent and the p95 is that of the schedule."""
        off = abs(self.reported_ms[1] / self.from_due_ms[1] - 1)
        return self.sent == self.scheduled and off <= P95_OFF_RATIO


def tools(case: Case) -> Iterator[tuple[str, str, Tool]]:
    """Name, arrival process and measurement of each."""
    for kind in KINDS:
        law = case.law(kind).kind
        yield f"Tonnage {law}", kind, _ours(case, kind)
        for users in USERS:
            yield f"{kind}, {users} users", kind, _stock(case, kind, users)


def _ours(case: Case, kind: str) -> Tool:
    return lambda url, folder: own_fleet.run(case, kind, url, folder)


def _stock(case: Case, kind: str, users: int) -> Tool:
    return lambda url, folder: stock_run.run(case, kind, users, url, folder)


def measure(case: Case, name: str, kind: str, tool: Tool) -> Row:
    """Run one tool against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="tonnage-bench-") as place:
        folder = Path(place)
        options = case.server_options
        with own_server.running("benchmarks.stalling_server", options, folder) as url:
            told = tool(url, folder)
            at_server = seen(url)
    schedule = case.schedule(kind)
    return Row(
        case=case.name,
        tool=name,
        scheduled=len(schedule.times()),
        sent=len(at_server.arrivals_s),
        scheduled_in_stalls=scheduled_in_stalls(at_server, schedule),
        sent_in_stalls=at_server.during_stalls,
        reported_ms=told.reported_ms,
        from_due_ms=at_server.on_schedule_ms(schedule),
        at_server_ms=at_server.at_server_ms,
        send_lag_p99_ms=told.send_lag_p99_ms,
    )


def cases(rate: float, only: str | None) -> list[Case]:
    """One stall in 4 s, and one every 5 s for 20 s."""
    every = [
        Case("once", rate, seconds=4.0, stall_at_s=1.5),
        Case("every", rate, seconds=20.0, stall_at_s=5.0, every_s=5.0),
    ]
    return [case for case in every if only in (None, case.name)]


HEAD = (
    f"{'tool':<30}{'scheduled':>10}{'sent':>7}{'in stalls':>12}"
    f"{'reported p50/p95/p99 ms':>27}{'from due p50/p95/p99 ms':>27}"
)


def line(row: Row) -> str:
    """A row of the table."""
    in_stalls = f"{row.sent_in_stalls} of {row.scheduled_in_stalls}"
    return (
        f"{row.tool:<30}{row.scheduled:>10}{row.sent:>7}{in_stalls:>12}"
        f"{_times(row.reported_ms):>27}{_times(row.from_due_ms):>27}"
    )


def _times(times_ms: Quantiles) -> str:
    return " / ".join(f"{time:.0f}" for time in times_ms)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=parse_rate, default="100/s")
    parser.add_argument("--case", choices=("once", "every"), help="default: both")
    parser.add_argument("--runs", type=int, default=1, help="of everything, one after the other")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows: list[Row] = []
    for case in cases(given.rate, given.case):
        stalls = f"every {case.every_s:g} s" if case.every_s else f"at {case.stall_at_s:g} s"
        print(f"\n{given.rate:g}/s for {case.seconds:g} s, a stall of {case.stall_s:g} s {stalls}")
        print(HEAD, flush=True)
        for _ in range(given.runs):
            for name, kind, tool in tools(case):
                rows.append(measure(case, name, kind, tool))
                print(line(rows[-1]), flush=True)
    if given.json:
        document: list[dict[str, Any]] = [asdict(row) for row in rows]
        given.json.write_text(json.dumps(document, indent=2) + "\n")
    return int(not all(row.is_open_loop for row in rows if row.is_ours))


if __name__ == "__main__":
    sys.exit(main())
