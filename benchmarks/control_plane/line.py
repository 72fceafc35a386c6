"""What would more workers cost than were run? A straight line through what was measured.

It is a forecast and is labelled as one: it assumes that the cost of another worker stays the same.
The residual says how well the measured points lie on the line, not how well it holds beyond them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Line:
    """CPU ratio = `base` + `per_worker` × workers; `residual` is the largest of a point."""

    base: float
    per_worker: float
    residual: float

    def at(self, workers: float) -> float:
        return self.base + self.per_worker * workers


def line_through(points: Sequence[tuple[float, float]]) -> Line:
    """The line of least squares through (workers, CPU ratio).

    Raises:
        ValueError: fewer than two numbers of workers.
    """
    if len({workers for workers, _ in points}) < 2:
        raise ValueError("a line needs two different numbers of workers")
    x, y = np.array(points, dtype=float).T
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    base = float(y.mean() - slope * x.mean())
    return Line(base, slope, float(np.abs(base + slope * x - y).max()))
