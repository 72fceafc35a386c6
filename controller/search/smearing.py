"""How far along the capacities does what a gliding target shows spread?

A target whose capacity glides with standard deviation e of ln c smears the likelihood of a probe
by a Gaussian of that width, and leaves the long-run capacity s e^2 / 2 below the middle one. Both
are sums over neighbouring capacities, done here in few and large steps:

- Along each slope the likelihood is the same for all capacities far enough above the rate, and far
  enough below. Only what lies between, its window, is laid out and smeared; a constant stays one.
- The smearing is a product of matrices: windows are cut into overlapping pieces of which each gives
  `PIECE` capacities.
- Slopes that move the long run by the same number of steps are summed before they are moved.

Beyond the ends of the grid everything is as it is at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

PIECE = 16
TRUNCATE_SDS = 3.0
"""Beyond so many standard deviations a Gaussian is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Where the likelihood is not constant, one window [first, last) of the grid for each slope.

    `capacities` and `slopes`: indices of what is laid out, all windows in a row, each with as much
    around it as smearing looks at, and with the end repeated where that is beyond the grid.
    `starts`: where in a row each begins. `counted`: 1 for what is in a window, 0 around it.
    """

    first: list[int]
    last: list[int]
    starts: list[int]
    capacities: Whole
    slopes: Whole
    counted: Floats


def windows(excess: Floats, slopes: Floats, x_min: float, x_max: float, reach: int) -> Windows:
    """Windows in which slope times `excess`, which falls, lies between `x_min` and `x_max`.

    They are wider by `reach` capacities, how far a Gaussian carries, and one more. What is around
    the last is long enough to make whole pieces of all.
    """
    rising = -excess
    first = np.maximum(np.searchsorted(rising, -x_max / slopes) - reach - 1, 0)
    last = np.minimum(np.searchsorted(rising, -x_min / slopes) + reach + 1, len(excess))
    lengths = last - first + 2 * reach
    lengths[-1] += -(lengths.sum() - 2 * reach) % PIECE
    ends = np.cumsum(lengths)
    starts = ends - lengths
    own = np.repeat(np.arange(len(slopes)), lengths)
    unbounded = np.arange(ends[-1]) + (first - reach - starts)[own]
    counted = (unbounded >= first[own]) & (unbounded < last[own])
    return Windows(
        first=first.tolist(),
        last=last.tolist(),
        starts=starts.tolist(),
        capacities=np.minimum(np.maximum(unbounded, 0), len(excess) - 1),
        slopes=own,
        counted=counted.astype(np.float64),
    )


def reach(sds: tuple[float, ...], step: float) -> int:
    """Capacities that the widest of Gaussians carries to either side."""
    return max(_radius(sd / step) for sd in sds)


def smeared(rows: Floats, sds: tuple[float, ...], step: float) -> Floats:
    """Rows of whole pieces and the reach on either side, smeared by each sd in turn.

    Shape (sd and row, place), the reach on either side left out.
    """
    kernels, radii = _kernels(sds, step)
    widest = max(radii)
    cut = np.ascontiguousarray(_pieces(rows, widest))
    found = np.empty((len(sds), *cut.shape[:2], PIECE))
    for kernel, radius, out in zip(kernels, radii, found, strict=True):
        used = slice(widest - radius, widest + PIECE + radius)
        np.matmul(cut[:, :, used], kernel[used], out=out)
    return found.reshape(len(sds) * len(rows), -1)


def smeared_together(masses: Floats, sds: tuple[float, ...], step: float) -> Floats:
    """Masses, shape (sd, clustering, capacity), each smeared by its sd, and summed over them."""
    kernels, radii = _kernels(sds, step)
    widest, capacities = max(radii), masses.shape[2]
    beyond = widest + -capacities % PIECE
    padded = np.empty((*masses.shape[:2], widest + capacities + beyond))
    padded[..., widest : widest + capacities] = masses
    padded[..., :widest] = masses[..., :1]
    padded[..., widest + capacities :] = masses[..., -1:]
    cut = _pieces(padded, widest).transpose(1, 2, 0, 3)
    found = cut.reshape(*cut.shape[:2], -1) @ kernels.reshape(-1, PIECE)
    return found.reshape(len(found), -1)[:, :capacities]


def lowered(
    masses: Floats, slopes: tuple[float, ...], sds: tuple[float, ...], step: float
) -> Floats:
    """Masses, shape (sd, clustering, slope, capacity), each moved s sd^2 / 2 down in ln c.

    Gives shape (sd, clustering, capacity). What would leave the grid stays at its lower end.
    """
    _, clusterings, _, capacities = masses.shape
    found = np.empty((len(sds), clusterings, capacities))
    for own, out, (steps, parts) in zip(masses, found, _moves(slopes, sds, step), strict=True):
        room = steps[-1]
        together = np.empty((len(steps), clusterings, room + capacities))
        together[..., :room] = 0
        np.matmul(parts, own, out=together[..., room:].transpose(1, 0, 2))
        moved = np.zeros(clusterings * (room + capacities))
        for down, those in zip(steps, together.reshape(len(steps), -1), strict=True):
            moved[: len(moved) - down] += those[down:]
        rows = moved.reshape(clusterings, -1)
        out[:] = rows[:, room:]
        out[:, 0] += rows[:, :room].sum(axis=1)
    return found


def _radius(sd_steps: float) -> int:
    return int(TRUNCATE_SDS * sd_steps + 0.5)


def _pieces(rows: Floats, beside: int) -> Floats:
    """A view of whole pieces and what is beside them: the last axis becomes a piece's, and its own."""
    pieces = (rows.shape[-1] - 2 * beside) // PIECE
    shape = (*rows.shape[:-1], pieces, PIECE + 2 * beside)
    strides = (*rows.strides[:-1], PIECE * rows.strides[-1], rows.strides[-1])
    return as_strided(rows, shape, strides, writeable=False)


@lru_cache(maxsize=64)
def _kernels(sds: tuple[float, ...], step: float) -> tuple[Floats, tuple[int, ...]]:
    """Matrices from a piece and what is around it to the piece smeared, and how far each looks."""
    radii = tuple(_radius(sd / step) for sd in sds)
    widest = max(radii)
    kernels = np.zeros((len(sds), PIECE + 2 * widest, PIECE))
    for kernel, sd, radius in zip(kernels, sds, radii, strict=True):
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) * step / sd) ** 2)
        weights /= weights.sum()
        for place in range(PIECE):
            kernel[widest - radius + place : widest + radius + place + 1, place] = weights
    kernels.setflags(write=False)
    return kernels, radii


@lru_cache(maxsize=64)
def _moves(
    slopes: tuple[float, ...], sds: tuple[float, ...], step: float
) -> tuple[tuple[tuple[int, ...], Floats], ...]:
    """For each sd the numbers of steps down, rising, and the part of each slope that moves so far."""
    found = []
    for sd in sds:
        exact = [slope * sd**2 / 2 / step for slope in slopes]
        steps = sorted({int(one) + more for one in exact for more in (0, 1)})
        parts = np.zeros((len(steps), len(slopes)))
        for slope, one in enumerate(exact):
            whole = int(one)
            parts[steps.index(whole), slope] = 1 - (one - whole)
            parts[steps.index(whole + 1), slope] = one - whole
        parts.setflags(write=False)
        found.append((tuple(steps), parts))
    return tuple(found)
