"""What happened to the arrivals due in one 250 ms slice, since the last report?"""

from contract.latency import Histogram
from contract.report import DueBucket


class Slice:
    """Counts on their way into a `DueBucket`."""

    __slots__ = ("_bad", "_bad_any", "_judged", "counts", "response_s", "service_s")

    def __init__(self, objectives: int) -> None:
        self.response_s: list[float] = []
        self.service_s: list[float] = []
        self.counts: dict[str, int] = {}
        self._judged = [0] * objectives
        self._bad = [0] * objectives
        self._bad_any = 0

    def count(self, name: str, arrivals: int) -> None:
        """Add to the field `name` of `DueBucket`."""
        self.counts[name] = self.counts.get(name, 0) + arrivals

    def judge(self, judged: int, bad: int, arrivals: int) -> None:
        """Count decided arrivals that are alike; bit k of the masks is objective k."""
        for place in range(len(self._judged)):
            self._judged[place] += arrivals * (judged >> place & 1)
            self._bad[place] += arrivals * (bad >> place & 1)
        self._bad_any += arrivals * (bad != 0)

    def bucket(self, index: int) -> DueBucket:
        return DueBucket(
            index=index,
            judged=tuple(self._judged),
            bad=tuple(self._bad),
            bad_any=self._bad_any,
            response_time=Histogram.of(self.response_s),
            service_time=Histogram.of(self.service_s),
            **self.counts,
        )
