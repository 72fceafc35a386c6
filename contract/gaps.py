"""What are the arrival times of a law at rate 1, chunk by chunk?

Every gap comes from words of Philox4x64 (Salmon et al. 2011), key (seed, probe), at a counter fixed
by its index, so that every worker computes the same sequence.

Gaps have mean 1: constant 1; Poisson -log(1 - u); gamma G(k)/k with shape k = 1/cv^2, by Marsaglia
and Tsang 2000 with Box and Muller 1958 normals. The first gap follows the equilibrium law
(Cox 1962, section 5.2), u for constant and u G(k + 1)/k for gamma, so that the process has its
rate from the first instant on. An mmpp has the gaps of Poisson here; `contract.warp` bunches them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from contract.laws import Law

CHUNK = 4096  # arrivals computed at once: large enough for numpy, small enough to start soon

Key = tuple[int, int]
Floats = NDArray[np.float64]

_WORDS_PER_COUNTER = 4  # Philox4x64 gives four words of 64 bits for one counter
GAPS, PHASE, SOJOURNS = 0, 1, 2  # last word of the counter: separate streams for separate purposes


def unit_times(law: Law, key: Key) -> Iterator[Floats]:
    """Times of the arrivals of `law` at rate 1, `CHUNK` at a time and without end."""
    if law.kind == "constant":
        yield from _evenly(key)
        return
    first, passed = 0, 0.0
    while True:
        gaps = gamma_gaps(key, first, law.cv) if law.kind == "gamma" else exponentials(key, first)
        gaps[0] += passed
        times: Floats = np.cumsum(gaps)
        yield times
        first, passed = first + CHUNK, float(times[-1])


def phase(key: Key) -> float:
    """A uniform of [0, 1): where a sequence begins."""
    return float(uniforms(_words(key, 0, 1, (0, PHASE)))[0])


def exponentials(key: Key, first: int, purpose: int = GAPS) -> Floats:
    """Exponentials of mean 1 for a chunk of indices."""
    block = first // _WORDS_PER_COUNTER
    words = _words(key, block, CHUNK // _WORDS_PER_COUNTER, (0, purpose))
    return -np.log1p(-uniforms(words))


def uniforms(words: NDArray[np.uint64]) -> Floats:
    """Uniforms in [0, 1) of 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def gamma_gaps(key: Key, first: int, cv: float) -> Floats:
    """Gamma gaps of mean 1 and coefficient of variation `cv` for a chunk of indices."""
    shape = 1 / cv**2
    if shape >= 1:
        gaps, _ = gammas(key, first, CHUNK, shape)
    else:
        larger, u = gammas(key, first, CHUNK, shape + 1)
        gaps = larger * np.power(1 - u, 1 / shape)
    if first == 0:
        length_biased, u = gammas(key, 0, 1, shape + 1)
        gaps[0] = length_biased[0] * u[0]
    return gaps / shape


def gammas(key: Key, first: int, count: int, shape: float) -> tuple[Floats, Floats]:
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
        words = _words(key, first + low, high - low, (attempt, GAPS))
        u = uniforms(words.reshape(-1, _WORDS_PER_COUNTER)[pending - low])
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


def _evenly(key: Key) -> Iterator[Floats]:
    begins, first = phase(key), 0
    while True:
        yield begins + np.arange(first, first + CHUNK, dtype=np.float64)
        first += CHUNK


def _words(key: Key, block: int, blocks: int, stream: tuple[int, int]) -> NDArray[np.uint64]:
    """Words of `blocks` counters from `block` on; `stream` is (attempt, purpose)."""
    attempt, purpose = stream
    counter = np.array([block, attempt, 0, purpose], dtype=np.uint64)
    bits = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=counter)
    return bits.random_raw(blocks * _WORDS_PER_COUNTER)
