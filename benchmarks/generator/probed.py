"""What does a worker say of one probe, and was its ledger clean?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

LATEST_MS = 10.0
"""Send lag at p99 of a probe that counts as clean."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One probe that a client is to run. `check`: compare every due time with the schedule.

    `streams` above 0 closes the loop: so many in flight at the most, as a closed-loop tool has.
    """

    rate: float
    seconds: float
    cap: int = 4_000
    timeout_s: float = 10.0
    check: bool = False
    streams: int = 0

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def read(cls, line: str) -> Ask:
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it. Times in ms at p50, p99 and p99.9; CPU in us a request sent.

    `retimed` arrivals had another due time than the schedule gives, None where it was not asked;
    `slow` responses took over 0.5 s from their due time. `switches` of the process are a request.
    """

    rate: float
    scheduled: int
    sent: int
    shed: int
    missed: int
    failed: int
    timed_out: int
    lag_ms: tuple[float, float, float]
    response_ms: tuple[float, float, float]
    cpu_ratio: float
    user_us: float
    system_us: float
    switches: float
    rss_mb: float
    in_flight_most: int
    users: int
    slow: int
    retimed: int | None
    errors: tuple[tuple[str, int], ...] = ()

    @classmethod
    def read(cls, line: str) -> Probed:
        """What a client printed.

        Raises:
            RuntimeError: it printed something else.
        """
        try:
            fields = json.loads(line)
            fields["lag_ms"] = tuple(fields["lag_ms"])
            fields["response_ms"] = tuple(fields["response_ms"])
            fields["errors"] = tuple((kind, count) for kind, count in fields["errors"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise RuntimeError(f"the client said {line[:300]!r}") from error

    @property
    def is_whole(self) -> bool:
        """Every arrival was sent and answered."""
        lost = self.missed + self.shed + self.failed + self.timed_out
        return lost == 0 and 0 < self.sent == self.scheduled

    @property
    def is_clean(self) -> bool:
        return self.is_whole and self.lag_ms[1] <= LATEST_MS

    @property
    def fault(self) -> str:
        """Why it is not clean; nothing when it is."""
        named = ("missed", "shed", "failed", "timed_out")
        lost = [f"{getattr(self, name)} {name}" for name in named if getattr(self, name)]
        late = [f"send lag p99 {self.lag_ms[1]:.1f} ms"] if self.lag_ms[1] > LATEST_MS else []
        return ", ".join([*lost, *late])
