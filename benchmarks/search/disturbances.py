"""What troubles a target while it is searched, and which of it belongs to the truth?

The noise of a target is part of what it carries in the long run, stalls only of the strict truth,
and a cold start of neither: capacity is what a warm target carries (docs/capacity.md). So a
disturbance is three pieces of a sim:// URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Pieces of a URL. `cold`: tools without a warm-up are given one of fixed length."""

    name: str
    says: str
    noise: str = ""
    stalls: str = ""
    start: str = ""

    @property
    def cold(self) -> bool:
        return bool(self.start)

    def searched(self, url: str) -> str:
        """The target as it is searched."""
        return _joined(url, self.noise, self.stalls, self.start)

    def tolerant(self, url: str) -> str:
        """The target whose capacity is the truth of an estimate."""
        return _joined(url, self.noise)

    def strict(self, url: str) -> str:
        """The target whose capacity is the truth of `strict`."""
        return _joined(url, self.noise, self.stalls)


def _joined(url: str, *pieces: str) -> str:
    return "&".join([url, *filter(None, pieces)])


_NOISE = "speed_noise=3%"
_STALLS = "stall_every=90s&stall=0.5s"
_COLD = "warm_up_slowdown=2&warm_up=40s"

COLUMNS: Mapping[str, Disturbance] = {
    d.name: d
    for d in (
        Disturbance("clean", "nothing"),
        Disturbance("ou3", "3 % speed noise, correlated over 20 s", noise=_NOISE),
        Disturbance("spikes", "stalls of 0.5 s, one every 90 s", stalls=_STALLS),
        Disturbance("cold", "half speed at first", start=_COLD),
        Disturbance("all", "noise, stalls and cold start", _NOISE, _STALLS, _COLD),
    )
}
"""The columns of the table of goals."""

_NOISES = (
    Disturbance(
        f"ou{percent}_tau{tau_s}",
        f"{percent} % speed noise, correlated over {tau_s} s",
        noise=f"speed_noise={percent}%&noise_tau={tau_s}s",
    )
    for percent in (1, 3, 6)
    for tau_s in (5, 20, 120)
)
_STALLING = (
    Disturbance(
        f"stall{length_s:g}_every{every_s}",
        f"stalls of {length_s:g} s, one every {every_s} s",
        stalls=f"stall_every={every_s}s&stall={length_s:g}s",
    )
    for length_s in (0.2, 0.5, 2.0)
    for every_s in (30, 90, 300)
)
_COLDS = (
    Disturbance(
        f"cold{percent}_tau{tau_s}",
        f"{percent} % slower at first, for {tau_s} s",
        start=f"warm_up_slowdown={1 / (1 - percent / 100):.4g}&warm_up={tau_s}s",
    )
    for percent in (30, 70)
    for tau_s in (10, 40, 120)
)

SCENARIOS: Mapping[str, Disturbance] = {d.name: d for d in (*_NOISES, *_STALLING, *_COLDS)}
"""One disturbance more or less of it, and others; run by name."""

DISTURBANCES: Mapping[str, Disturbance] = {**COLUMNS, **SCENARIOS}
