"""How long did requests take, counted so that many workers' counts add up exactly?

Bucket i holds the times from MIN_S * GAMMA^i up to MIN_S * GAMMA^(i + 1); a time is read back as
the geometric centre of its bucket, at most sqrt(GAMMA) - 1 = 0.5 % off (log buckets as in
Masson, Rim and Lee 2019, DDSketch, with fixed bounds). Counts and the sum in ns are whole
numbers, so merging is exact and its order does not matter.

On the wire, little-endian: a header, the steps between non-empty buckets, then their counts, both
in the narrowest width that holds them.
"""

import math
import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

GAMMA = 1.01
MIN_S = 10e-6
MAX_S = 3600.0
BUCKETS = math.ceil(math.log(MAX_S / MIN_S) / math.log(GAMMA))
LONGEST_S = 1e9  # 30 years: a longer time is a mistake, and its ns might not fit the sum

_LOG_GAMMA = math.log(GAMMA)
_NS_PER_S = 1e9
_SCHEMA = 1
_MAGIC = b"TH"
# magic, schema, width of steps, of counts, gamma, min, first bucket, buckets, sum in ns, min, max
_HEADER = struct.Struct("<2sBBBddHH16sdd")
_WIDTHS = (1, 2, 4, 8)
_MOST_IN_A_BUCKET = 1 << 50  # so that no sum of counts overflows
_MOST_PENDING = 4096  # times that may wait to be counted

Counts = NDArray[np.int64]


class HistogramError(ValueError):
    """A time cannot be counted, or bytes are not a histogram of this schema."""


class Histogram:
    """Times of one window; buckets span 10 us to 1 h, what lies outside is in the first or last.

    `count`, `sum_ns`, `min_s` and `max_s` are exact; the last two are NaN while empty.
    """

    # A report has many, most of them empty or small and only ever merged: times are put into
    # buckets when somebody asks, many at once.
    __slots__ = ("_counts", "_pending", "_sum_ns", "_waiting", "count", "max_s", "min_s")
    __hash__ = None  # type: ignore[assignment]  # it is mutable

    def __init__(self) -> None:
        self._counts: Counts | None = None
        self._pending: list[NDArray[np.float64]] = []
        self._waiting = 0
        self._sum_ns = 0
        self.count = 0
        self.min_s = math.nan
        self.max_s = math.nan

    @classmethod
    def of(cls, values_s: ArrayLike) -> "Histogram":
        histogram = cls()
        histogram.record_many(values_s)
        return histogram

    @classmethod
    def summed(cls, histograms: Iterable["Histogram"]) -> "Histogram":
        """All the values of several."""
        total = cls()
        for histogram in histograms:
            total.merge(histogram)
        return total

    @classmethod
    def from_counts(cls, counts: Counts, sum_ns: int, ends_s: tuple[float, float]) -> "Histogram":
        """The histogram of counts of shape (BUCKETS,), not all zero, whose times end so.

        Raises:
            HistogramError: the sum or the ends contradict the counts.
        """
        filled = np.flatnonzero(counts)
        count = int(counts.sum())
        _check_summary((int(filled[0]), int(filled[-1])), sum_ns / count, ends_s)
        histogram = cls()
        histogram._add(counts, sum_ns)
        histogram._span(count, *ends_s)
        return histogram

    @property
    def counts(self) -> Counts:
        """A copy of the counts, of shape (BUCKETS,)."""
        counts = self._counted()
        return np.zeros(BUCKETS, dtype=np.int64) if counts is None else counts.copy()

    @property
    def sum_ns(self) -> int:
        self._counted()
        return self._sum_ns

    @property
    def sum_s(self) -> float:
        return self.sum_ns / _NS_PER_S

    def record_many(self, values_s: ArrayLike) -> None:
        """Count times in s; none are counted when one is refused.

        Raises:
            HistogramError: a time is NaN, negative or above `LONGEST_S`.
        """
        values = np.array(values_s, dtype=np.float64).ravel()  # a copy: it is kept for a while
        if not values.size:
            return
        least, most = float(values.min()), float(values.max())
        if not (least >= 0 and most <= LONGEST_S):
            wrong = values[~((values >= 0) & (values <= LONGEST_S))][0]
            raise HistogramError(
                f"{float(wrong)!r} s cannot be counted: a time lies between 0 and {LONGEST_S:g} s"
            )
        self._pending.append(values)
        self._waiting += values.size
        self._span(values.size, least, most)
        if self._waiting > _MOST_PENDING:
            self._counted()

    def merge(self, other: "Histogram") -> None:
        """Add the times of `other` to this one."""
        if not other.count:
            return
        self._span(other.count, other.min_s, other.max_s)
        counts, pending = other._counts, other._pending  # noqa: SLF001 - one of its own kind
        if counts is not None:
            self._add(counts, other._sum_ns)  # noqa: SLF001
        self._pending += pending
        self._waiting += other._waiting  # noqa: SLF001
        if self._waiting > _MOST_PENDING:
            self._counted()

    def __add__(self, other: "Histogram") -> "Histogram":
        total = Histogram()
        total.merge(self)
        total.merge(other)
        return total

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        if not (self.count and other.count):
            return self.count == other.count
        mine = (self.count, self.sum_ns, self.min_s, self.max_s)
        theirs = (other.count, other.sum_ns, other.min_s, other.max_s)
        return mine == theirs and np.array_equal(self.counts, other.counts)

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, min_s={self.min_s}, max_s={self.max_s})"

    def quantile(self, q: float) -> float:
        """The time in s that a fraction `q` of the times does not exceed; NaN when empty.

        The nearest-rank quantile, within 0.5 % of a recorded time inside the range.
        """
        if not 0 <= q <= 1:
            raise HistogramError(f"q {q!r} must be from 0 to 1")
        if not self.count:
            return math.nan
        rank = min(max(math.ceil(q * self.count * (1 - 1e-12)), 1), self.count)
        centre: float = MIN_S * GAMMA ** (self._bucket_at(rank) + 0.5)
        return min(max(centre, self.min_s), self.max_s)

    def quantile_bounds(self, q: float, confidence: float = 0.9) -> tuple[float, float]:
        """Bound, in s, the quantile of the law behind these times, taken as independent.

        Order statistics of ranks l and u, where the number of times below the true quantile is
        binomial (n, q), with `confidence` between them; then the outer edges of their buckets.
        A side that too few times can bound is 0 or infinity; both are NaN when empty.

        Source: Conover 1999, section 3.2.
        """
        _check_fraction("q", q)
        _check_fraction("confidence", confidence)
        if not self.count:
            return math.nan, math.nan
        lower_rank, upper_rank = _rank_bounds(self.count, q, (1 - confidence) / 2)
        low = self._lower_edge(self._bucket_at(lower_rank)) if lower_rank >= 1 else 0.0
        high = math.inf
        if upper_rank <= self.count:
            high = self._upper_edge(self._bucket_at(upper_rank))
        return low, high

    def count_above(self, limit_s: float) -> int:
        """How many times exceed `limit_s`; those in its own bucket go by the bucket's centre."""
        if math.isnan(limit_s):
            raise HistogramError("limit_s is NaN: a limit is a time in s")
        if not self.count or limit_s >= self.max_s:
            return 0
        if limit_s < self.min_s:
            return self.count
        bucket = int(_bucket_of(np.array([limit_s]))[0])
        first_above = bucket + (limit_s >= MIN_S * GAMMA ** (bucket + 0.5))
        return int(self.counts[first_above:].sum())

    def to_bytes(self) -> bytes:
        """Write the non-empty buckets: 2 to 3 bytes each after a header of 57."""
        counts = self.counts
        buckets = np.flatnonzero(counts)
        steps, filled = np.diff(buckets), counts[buckets]
        widths = _width(steps), _width(filled)
        header = _HEADER.pack(
            _MAGIC,
            _SCHEMA,
            *widths,
            GAMMA,
            MIN_S,
            int(buckets[0]) if self.count else 0,
            len(buckets),
            self.sum_ns.to_bytes(16, "little"),
            self.min_s,
            self.max_s,
        )
        parts = (steps.astype(f"<u{widths[0]}"), filled.astype(f"<u{widths[1]}"))
        return header + b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Histogram":
        """Read what `to_bytes` wrote.

        Raises:
            HistogramError: other bytes, another schema, or counts that contradict the header.
        """
        (step_width, count_width), first, filled, sum_ns, (min_s, max_s) = _read_header(data)
        size = _HEADER.size
        split = size + max(filled - 1, 0) * step_width
        if len(data) != split + filled * count_width:
            raise HistogramError(f"{len(data)} bytes do not hold {filled} buckets")
        histogram = cls()
        if filled:
            steps = np.frombuffer(data, f"<u{step_width}", filled - 1, size).astype(np.int64)
            counts = np.frombuffer(data, f"<u{count_width}", filled, split).astype(np.int64)
            buckets = np.concatenate(([first], first + np.cumsum(steps)))
            _check_buckets(buckets, steps, counts)
            count = int(counts.sum())
            _check_summary((int(buckets[0]), int(buckets[-1])), sum_ns / count, (min_s, max_s))
            dense = np.zeros(BUCKETS, dtype=np.int64)
            dense[buckets] = counts
            histogram._add(dense, sum_ns)
            histogram._span(count, min_s, max_s)
        return histogram

    def _counted(self) -> Counts | None:
        """The counts, once the times that wait are in them."""
        if self._pending:
            waiting, self._pending, self._waiting = self._pending, [], 0
            values = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            added = np.bincount(_bucket_of(values), minlength=BUCKETS)
            self._add(added, _sum_ns(values, float(values.max())))
        return self._counts

    def _add(self, counts: Counts, sum_ns: int) -> None:
        if self._counts is None:
            self._counts = counts.copy()
        else:
            self._counts += counts
        self._sum_ns += sum_ns

    def _span(self, count: int, min_s: float, max_s: float) -> None:
        """Note that there are `count` more times, from `min_s` to `max_s`."""
        self.min_s = min(self.min_s, min_s) if self.count else min_s
        self.max_s = max(self.max_s, max_s) if self.count else max_s
        self.count += count

    def _bucket_at(self, rank: int) -> int:
        """Bucket of the rank-th smallest time, counted from 1."""
        return int(np.searchsorted(np.cumsum(self.counts), rank))

    def _lower_edge(self, bucket: int) -> float:
        return self.min_s if bucket == 0 else max(MIN_S * GAMMA**bucket, self.min_s)

    def _upper_edge(self, bucket: int) -> float:
        edge = MIN_S * GAMMA ** (bucket + 1)
        return self.max_s if bucket == BUCKETS - 1 else min(edge, self.max_s)


def _bucket_of(values_s: NDArray[np.float64]) -> NDArray[np.int64]:
    inside = np.clip(values_s, MIN_S, MAX_S)
    buckets = (np.log(inside / MIN_S) / _LOG_GAMMA).astype(np.int64)
    return np.minimum(buckets, BUCKETS - 1)


def _sum_ns(values_s: NDArray[np.float64], most_s: float) -> int:
    values_ns = np.rint(values_s * _NS_PER_S).astype(np.int64)
    if most_s * values_s.size < LONGEST_S:
        return int(values_ns.sum())
    return sum(values_ns.tolist())  # would not fit 64 bits


def _rank_bounds(count: int, q: float, tail: float) -> tuple[int, int]:
    """Ranks l and u: B binomial (count, q) is below l, or at least u, with at most `tail` each."""
    mean, spread = count * q, 12 * math.sqrt(count * q * (1 - q)) + 20
    low, high = max(0, math.floor(mean - spread)), min(count, math.ceil(mean + spread))
    k = np.arange(low, high)
    steps = np.log((count - k) / (k + 1)) + math.log(q / (1 - q))
    log_mass = np.concatenate(([0.0], np.cumsum(steps)))
    mass = np.exp(log_mass - log_mass.max())
    below_or_at = np.cumsum(mass) / mass.sum()
    lower = low + int(np.searchsorted(below_or_at, tail, side="right"))
    upper = low + int(np.searchsorted(below_or_at, 1 - tail)) + 1
    return lower, upper


def _width(whole: NDArray[np.int64]) -> int:
    most = int(whole.max(initial=0))
    return next(width for width in _WIDTHS if most < 1 << (8 * width))


def _read_header(data: bytes) -> tuple[tuple[int, int], int, int, int, tuple[float, float]]:
    """Give the widths, the first bucket, the number of buckets, the sum in ns, min and max."""
    if len(data) < _HEADER.size:
        raise HistogramError(f"{len(data)} bytes are too few for a histogram")
    fields = _HEADER.unpack_from(data)
    magic, schema, step_width, count_width, gamma, least_s, first, filled, sum_ns = fields[:9]
    if magic != _MAGIC:
        raise HistogramError("not a histogram: its first two bytes are not TH")
    if schema != _SCHEMA:
        raise HistogramError(f"schema {schema} is not {_SCHEMA}: use one version on both sides")
    if (gamma, least_s) != (GAMMA, MIN_S):
        raise HistogramError(
            f"buckets of gamma {gamma!r} from {least_s!r} s are not gamma {GAMMA} from {MIN_S} s"
        )
    if step_width not in _WIDTHS or count_width not in _WIDTHS:
        raise HistogramError(f"widths {step_width} and {count_width} are not among {_WIDTHS}")
    widths = (step_width, count_width)
    return widths, first, filled, int.from_bytes(sum_ns, "little"), (fields[9], fields[10])


def _check_buckets(buckets: Counts, steps: Counts, counts: Counts) -> None:
    fits = len(counts) <= BUCKETS and buckets[-1] < BUCKETS
    if not fits or (len(steps) and not 1 <= steps.min() <= steps.max() < BUCKETS):
        raise HistogramError(f"a bucket is named twice or lies above the last, {BUCKETS - 1}")
    if not 1 <= counts.min() <= counts.max() < _MOST_IN_A_BUCKET:
        raise HistogramError(f"a bucket's count is not from 1 to {_MOST_IN_A_BUCKET}")


def _check_summary(ends: tuple[int, int], mean_ns: float, ends_s: tuple[float, float]) -> None:
    min_s, max_s = ends_s
    if not 0 <= min_s <= max_s <= LONGEST_S:
        raise HistogramError(f"min {min_s!r} s and max {max_s!r} s are not times in order")
    slack_s = 1e-9 + 1e-12 * max_s  # times were rounded to ns
    if not min_s - slack_s <= mean_ns / _NS_PER_S <= max_s + slack_s:
        raise HistogramError("the sum contradicts min and max")
    for bucket, end_s in zip(ends, ends_s, strict=True):
        place = math.log(min(max(end_s, MIN_S), MAX_S) / MIN_S) / _LOG_GAMMA
        if not bucket - 1 <= place <= bucket + 2:  # logarithms may differ in the last bit
            raise HistogramError("min and max contradict the counts")


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise HistogramError(f"{name} {value!r} must lie between 0 and 1")
