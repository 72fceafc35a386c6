"""How busy was the machine while something was measured? A shared one explains odd numbers."""

from __future__ import annotations

import psutil


class Machine:
    """CPU time of the whole machine from here on."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def busy_ratio(self) -> float:
        """Share of all cores' time that was not idle."""
        after = psutil.cpu_times()
        spent = [b - a for a, b in zip(self._before, after, strict=True)]
        idle = after.idle - self._before.idle
        return 1 - idle / max(sum(spent), 1e-9)
