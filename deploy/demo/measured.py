"""How long did the server's batches really take, and how were its requests answered?"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import numpy as np

from deploy.demo.batching import Timing

BATCHES_KEPT = 100_000
DELIVERIES_KEPT = 20_000
SAMPLES_SHOWN = 20_000
"""Durations in one export, all sizes together: a few milliseconds of work for the serving loop."""

_SIZE_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_DURATION_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5)


class Tally:
    """A Prometheus histogram: counts at or below each bound, their sum and number."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, meaning: str) -> list[str]:
        below = np.cumsum(self._counts).tolist()
        buckets = [
            f'{name}_bucket{{le="{bound}"}} {count}'
            for bound, count in zip((*self._bounds, "+Inf"), below, strict=True)
        ]
        head = [f"# HELP {name} {meaning}", f"# TYPE {name} histogram"]
        return [*head, *buckets, f"{name}_sum {self._sum:.9g}", f"{name}_count {below[-1]}"]


class Measured:
    """The latest batches and deliveries, and counts since the start. Times in seconds."""

    def __init__(self) -> None:
        self.batches = 0
        self.warm_batches = 0
        self.withdrawn = 0
        self._sizes = np.zeros(BATCHES_KEPT, dtype=np.int32)
        self._durations_s = np.zeros(BATCHES_KEPT)
        self._deliveries = 0
        self._deliveries_s = np.zeros(DELIVERIES_KEPT)
        self._statuses: Counter[int] = Counter()
        self._size_tally = Tally(_SIZE_BOUNDS)
        self._duration_tally = Tally(_DURATION_BOUNDS_S)

    def batch(self, size: int, duration_s: float, *, warm: bool) -> None:
        """Count a batch; `duration_s` leaves stalls out, and only warm ones are kept one by one."""
        self.batches += 1
        self._size_tally.add(size)
        self._duration_tally.add(duration_s)
        if warm:
            at = self.warm_batches % BATCHES_KEPT
            self._sizes[at], self._durations_s[at] = size, duration_s
            self.warm_batches += 1

    def delivery(self, delay_s: float) -> None:
        """Keep the time from the end of a batch to one of its responses being written."""
        self._deliveries_s[self._deliveries % DELIVERIES_KEPT] = delay_s
        self._deliveries += 1

    def status(self, status: int) -> None:
        self._statuses[status] += 1

    def durations(self, max_batch: int) -> dict[str, object]:
        """Mean, spread and latest samples by batch size, of warm batches; JSON-ready."""
        kept = min(self.warm_batches, BATCHES_KEPT)
        newest_first = np.roll(self._sizes[:kept], -(self.warm_batches % max(kept, 1)))[::-1]
        times = np.roll(self._durations_s[:kept], -(self.warm_batches % max(kept, 1)))[::-1]
        shown = max(SAMPLES_SHOWN // max_batch, 50)
        by_size = {
            str(size): _summary(times[newest_first == size], shown)
            for size in np.unique(newest_first).tolist()
        }
        deliveries = self._deliveries_s[: min(self._deliveries, DELIVERIES_KEPT)]
        return {
            "batches": self.batches,
            "warm_batches": self.warm_batches,
            "by_size": by_size,
            "delivery": _summary(deliveries, SAMPLES_SHOWN // 4),
        }

    def exposition(self, timing: Timing, queued: int, in_flight: int) -> str:
        """Prometheus text format 0.0.4."""
        lines = [
            "# HELP served_model_requests_total Inference requests answered, by HTTP status.",
            "# TYPE served_model_requests_total counter",
            *(
                f'served_model_requests_total{{status="{status}"}} {count}'
                for status, count in sorted(self._statuses.items())
            ),
        ]
        bound = timing.queue_bound
        for name, kind, meaning, value in (
            ("requests_withdrawn_total", "counter", "Clients that left the queue.", self.withdrawn),
            ("queue_length", "gauge", "Requests waiting for a batch.", queued),
            ("queue_bound", "gauge", "Queue length beyond which requests get 503.", bound),
            ("in_flight", "gauge", "Requests queued or in the running batch.", in_flight),
        ):
            full = f"served_model_{name}"
            lines += [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}", f"{full} {value}"]
        lines += self._size_tally.lines("served_model_batch_size", "Requests in a batch.")
        lines += self._duration_tally.lines(
            "served_model_batch_duration_seconds", "Real durations of batches, stalls left out."
        )
        return "\n".join(lines) + "\n"


def _summary(
    times_s: np.ndarray[tuple[int], np.dtype[np.float64]], shown: int
) -> dict[str, object]:
    if not len(times_s):
        return {"count": 0, "mean_s": None, "std_s": None, "samples_us": []}
    return {
        "count": len(times_s),
        "mean_s": round(float(times_s.mean()), 7),
        "std_s": round(float(times_s.std()), 7),
        "samples_us": np.rint(times_s[:shown] * 1e6).astype(int).tolist(),
    }
