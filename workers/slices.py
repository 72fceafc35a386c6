"""What happened to the arrivals due in one 250 ms slice, since the last report?"""

import numpy as np

from contract.latency import Histogram
from contract.report import DueBucket
from workers.columns import Floats


class Slice:
    """Counts on their way into a `DueBucket`."""

    __slots__ = ("_bad", "_bad_any", "_judged", "_times_s", "counts", "response_s", "service_s")

    def __init__(self, objectives: int) -> None:
        self.response_s: list[float] = []
        self.service_s: list[float] = []
        self._times_s: list[tuple[Floats, Floats]] = []
        self.counts: dict[str, int] = {}
        self._judged = [0] * objectives
        self._bad = [0] * objectives
        self._bad_any = 0

    def count(self, name: str, arrivals: int) -> None:
        """Add to the field `name` of `DueBucket`."""
        self.counts[name] = self.counts.get(name, 0) + arrivals

    def add_times(self, response_s: Floats, service_s: Floats) -> None:
        """Add many requests at once."""
        self._times_s.append((response_s, service_s))

    def judge(self, judged: int, bad: int, arrivals: int) -> None:
        """Count decided arrivals that are alike; bit k of the masks is objective k."""
        for place in range(len(self._judged)):
            self._judged[place] += arrivals * (judged >> place & 1)
            self._bad[place] += arrivals * (bad >> place & 1)
        self._bad_any += arrivals * (bad != 0)

    def bucket(self, index: int) -> DueBucket:
        response_s = [np.array(self.response_s), *(times[0] for times in self._times_s)]
        service_s = [np.array(self.service_s), *(times[1] for times in self._times_s)]
        return DueBucket(
            index=index,
            judged=tuple(self._judged),
            bad=tuple(self._bad),
            bad_any=self._bad_any,
            response_time=Histogram.of(np.concatenate(response_s)),
            service_time=Histogram.of(np.concatenate(service_s)),
            **self.counts,
        )
