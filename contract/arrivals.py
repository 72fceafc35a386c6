"""When is arrival i of a probe due?

A unit-rate sequence s_0 < s_1 < ... is drawn from Philox4x64 (Salmon et al. 2011), key
(seed, probe), and carried to time through the inverse of the integrated rate

    L(t) = r0 t + (r1 - r0) t^2 / (2 T)   for t <= T (the ramp, s)
    L(t) = L(T) + r1 (t - T)              after it
    due_i = L^-1(s_i)

with r0 and r1 in arrivals/s. Every gap comes from words at a counter fixed by its index, so every
worker computes the same sequence and takes its share (`contract.shares`) of it by index: a last-bit difference between
two machines moves a due time by less than 1 ns and never duplicates or loses an arrival.

Gaps have mean 1: constant 1; Poisson -log(1 - u); gamma G(k)/k with shape k = 1/cv^2, by Marsaglia
and Tsang 2000 with Box and Muller 1958 normals. The first gap follows the equilibrium law
(Cox 1962, section 5.2), u for constant and u G(k + 1)/k for gamma, so that the process has its
rate from the first instant on.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from contract.shares import Shares, check_position
from contract.units import Rate, Seconds

CHUNK = 4096  # arrivals computed at once: large enough for numpy, small enough to start soon

LawKind = Literal["constant", "poisson", "gamma"]
Floats = NDArray[np.float64]
Due = NDArray[np.int64]

_MIN_CV, _MAX_CV = 0.01, 10.0
_KEY_BITS = 64
_WORDS_PER_COUNTER = 4  # Philox4x64 gives four words of 64 bits for one counter
_GAPS, _PHASE = 0, 1  # last word of the counter: separate streams for separate purposes
_NS_PER_S = 1e9


class ArrivalsError(ValueError):
    """An arrival process cannot be read or computed."""


@dataclass(frozen=True, slots=True)
class Law:
    """The law of the gaps between arrivals; `cv` is their coefficient of variation (gamma only)."""

    kind: LawKind
    cv: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(LawKind):
            raise ArrivalsError(f"kind {self.kind!r} is not one of {', '.join(get_args(LawKind))}")
        if not (_is_number(self.cv) and _MIN_CV <= self.cv <= _MAX_CV):
            raise ArrivalsError(f"cv {self.cv!r} must be a number from {_MIN_CV} to {_MAX_CV}")
        if self.kind != "gamma" and self.cv != 1.0:
            raise ArrivalsError(
                f"{self.kind} arrivals take no cv: write {{gamma: {{cv: {self.cv}}}}}"
            )

    @classmethod
    def parse(cls, value: str | Mapping[str, object]) -> "Law":
        """Read `constant`, `poisson` or `{gamma: {cv: 2}}`.

        Raises:
            ArrivalsError: anything else; the message names it and what would be right.
        """
        if value == "constant":
            return cls("constant")
        if value == "poisson":
            return cls("poisson")
        if value == "gamma":
            raise ArrivalsError("arrivals 'gamma' need a cv: write {gamma: {cv: 2}}")
        if isinstance(value, Mapping) and list(value) == ["replay"]:
            raise ArrivalsError(
                f"arrivals {dict(value)!r}: replaying a trace is not offered yet; "
                "write constant, poisson or {gamma: {cv: 2}}"
            )
        if isinstance(value, Mapping) and list(value) == ["gamma"]:
            options = value["gamma"]
            if isinstance(options, Mapping) and list(options) == ["cv"]:
                return cls("gamma", _parse_cv(options["cv"]))
        shown = dict(value) if isinstance(value, Mapping) else value
        raise ArrivalsError(
            f"arrivals {shown!r} are not known: write constant, poisson or {{gamma: {{cv: 2}}}}"
        )

    def as_value(self) -> str | dict[str, dict[str, float]]:
        """Give the value that `parse` reads back."""
        return {"gamma": {"cv": self.cv}} if self.kind == "gamma" else self.kind


@dataclass(frozen=True, slots=True)
class Schedule:
    """The due times of one probe, the same wherever they are computed.

    The rate goes linearly from `ramp_from` to `rate` over `ramp_s`, then stays until
    `duration_s`, which includes the ramp. Due times are ns from the epoch, below the duration.
    """

    law: Law
    seed: int
    probe: int
    rate: Rate
    duration_s: Seconds
    ramp_s: Seconds = Seconds(0.0)
    ramp_from: Rate = Rate(0.0)

    def __post_init__(self) -> None:
        for field, key in (("seed", self.seed), ("probe", self.probe)):
            if not (_is_number(key, int) and 0 <= key < 2**_KEY_BITS):
                raise ArrivalsError(f"{field} {key!r} must be a whole number from 0 to 2**64 - 1")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ArrivalsError(f"rate {self.rate!r} must be above zero and finite, in arrivals/s")
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ArrivalsError(f"duration_s {self.duration_s!r} must be above zero and finite")
        if not 0 <= self.ramp_s <= self.duration_s:
            raise ArrivalsError(
                f"ramp_s {self.ramp_s!r} must lie between 0 and duration_s {self.duration_s!r}"
            )
        if not (math.isfinite(self.ramp_from) and self.ramp_from >= 0):
            raise ArrivalsError(f"ramp_from {self.ramp_from!r} must be finite and not negative")

    @property
    def expected_count(self) -> float:
        """Mean number of arrivals, L(duration)."""
        return self._ramp_count + self.rate * (self.duration_s - self.ramp_s)

    def chunks(self) -> Iterator[tuple[int, Due]]:
        """Yield (global index of the first, due times in ns) of `CHUNK` arrivals at a time."""
        end_ns = round(self.duration_s * _NS_PER_S)
        first, passed = 0, 0.0
        while True:
            unit_times = self._unit_times(first, passed)
            due_ns = self._due_ns(unit_times)
            kept = int(np.searchsorted(due_ns, end_ns))
            if kept:
                yield first, due_ns[:kept]
            if kept < CHUNK:
                return
            first, passed = first + CHUNK, float(unit_times[-1])

    def share(self, position: int, shares: Shares) -> Iterator[tuple[Due, Due]]:
        """Yield (global indices, due times in ns) of the worker's own arrivals, chunk by chunk.

        Raises:
            SharesError: no worker has that position.
        """
        check_position(position, shares.count)
        return self._share(position, shares)

    def times(self) -> Due:
        """All due times in ns, at once."""
        parts = [due_ns for _, due_ns in self.chunks()]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    @property
    def _ramp_count(self) -> float:
        return (self.ramp_from + self.rate) * self.ramp_s / 2

    def _share(self, position: int, shares: Shares) -> Iterator[tuple[Due, Due]]:
        for first, due_ns in self.chunks():
            own = shares.own(position, first, due_ns)
            if len(own[0]):
                yield own

    def _unit_times(self, first: int, passed: float) -> Floats:
        """Times of arrivals `first`... at rate 1, the last one before them at `passed`."""
        key = (self.seed, self.probe)
        if self.law.kind == "constant":
            phase = float(_uniforms(_words(key, 0, 1, (0, _PHASE)))[0])
            return phase + np.arange(first, first + CHUNK, dtype=np.float64)
        if self.law.kind == "poisson":
            block = first // _WORDS_PER_COUNTER
            words = _words(key, block, CHUNK // _WORDS_PER_COUNTER, (0, _GAPS))
            gaps = -np.log1p(-_uniforms(words))
        else:
            gaps = _gamma_gaps(key, first, self.law.cv)
        gaps[0] += passed
        times: Floats = np.cumsum(gaps)
        return times

    def _due_ns(self, unit_times: Floats) -> Due:
        after_s = self.ramp_s + (unit_times - self._ramp_count) / self.rate
        if self.ramp_s > 0 and unit_times[0] < self._ramp_count:
            ramping = unit_times < self._ramp_count
            s = unit_times[ramping]
            slope = (self.rate - self.ramp_from) / self.ramp_s
            root = np.sqrt(np.maximum(self.ramp_from**2 + 2 * slope * s, 0.0))
            speed = np.maximum(self.ramp_from + root, np.finfo(np.float64).tiny)
            after_s[ramping] = 2 * s / speed
        due_ns: Due = np.rint(after_s * _NS_PER_S).astype(np.int64)
        return due_ns


def _parse_cv(cv: object) -> float:
    if isinstance(cv, int | float) and _is_number(cv):
        return float(cv)
    raise ArrivalsError(f"cv {cv!r} must be a number, such as 2")


def _is_number(value: object, kind: type | UnionType = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _words(
    key: tuple[int, int], block: int, blocks: int, stream: tuple[int, int]
) -> NDArray[np.uint64]:
    """Words of `blocks` counters from `block` on; `stream` is (attempt, purpose)."""
    attempt, purpose = stream
    counter = np.array([block, attempt, 0, purpose], dtype=np.uint64)
    bits = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=counter)
    return bits.random_raw(blocks * _WORDS_PER_COUNTER)


def _uniforms(words: NDArray[np.uint64]) -> Floats:
    """Uniforms in [0, 1) of 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _gamma_gaps(key: tuple[int, int], first: int, cv: float) -> Floats:
    """Gamma gaps of mean 1 and coefficient of variation `cv` for a chunk of indices."""
    shape = 1 / cv**2
    if shape >= 1:
        gaps, _ = _gamma(key, first, CHUNK, shape)
    else:
        larger, u = _gamma(key, first, CHUNK, shape + 1)
        gaps = larger * np.power(1 - u, 1 / shape)
    if first == 0:
        length_biased, u = _gamma(key, 0, 1, shape + 1)
        gaps[0] = length_biased[0] * u[0]
    return gaps / shape


def _gamma(key: tuple[int, int], first: int, count: int, shape: float) -> tuple[Floats, Floats]:
    """G(shape) for shape >= 1, and one independent uniform, for each of `count` indices.

    Attempt a of index i reads the four words of counter (i, a), so a rejection moves no other
    index: with d = shape - 1/3, c = 1/sqrt(9 d), x normal, v = (1 + c x)^3, the value d v is taken
    when log u < x^2/2 + d - d v + d log v.
    """
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    values, spare = np.empty(count), np.empty(count)
    pending = np.arange(count)
    attempt = 0
    while len(pending):
        low, high = int(pending[0]), int(pending[-1]) + 1
        words = _words(key, first + low, high - low, (attempt, _GAPS))
        u = _uniforms(words.reshape(-1, _WORDS_PER_COUNTER)[pending - low])
        x = np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * np.pi * u[:, 1])
        root = 1 + c * x
        v = root * root * root
        log_v = np.log(np.where(v > 0, v, 1.0))
        taken = (v > 0) & (np.log1p(-u[:, 2]) < x**2 / 2 + d - d * v + d * log_v)
        values[pending[taken]] = d * v[taken]
        spare[pending[taken]] = u[taken, 3]
        pending = pending[~taken]
        attempt += 1
    return values, spare
