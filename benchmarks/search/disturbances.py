"""What troubles a target while it is searched, and which of it belongs to the truth?

The noise of a target is part of what it carries in the long run, stalls only of the strict truth,
and a cold start of neither: capacity is what a warm target carries (docs/capacity.md). Bursty
arrivals are part of both, for a capacity holds for its arrival process. So a disturbance is pieces
of a sim:// URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Pieces of a URL: `passing` is what no truth knows, `lasting` what it comes to in the end.

    `cold`: tools without a warm-up are given one of fixed length.
    """

    name: str
    says: str
    noise: str = ""
    stalls: str = ""
    passing: str = ""
    lasting: str = ""

    @property
    def cold(self) -> bool:
        return "warm_up" in self.passing

    def searched(self, url: str) -> str:
        """The target as it is searched."""
        return _joined(url, self.noise, self.stalls, self.passing)

    def tolerant(self, url: str) -> str:
        """The target whose capacity is the truth of an estimate."""
        return _joined(url, self.noise, self.lasting)

    def strict(self, url: str) -> str:
        """The target whose capacity is the truth of `strict`."""
        return _joined(url, self.noise, self.stalls, self.lasting)


def _joined(url: str, *pieces: str) -> str:
    return "&".join([url, *filter(None, pieces)])


def _noise(percent: float, tau_s: float) -> str:
    return f"speed_noise={percent:g}%&speed_noise_tau={tau_s:g}s"


def _stalls(length_s: float, every_s: float) -> str:
    return f"stall_every={every_s:g}s&stall={length_s:g}s&stall_speed=2%&spells=random"


def _cold(percent: float, tau_s: float) -> str:
    return f"warm_up_amplitude={percent:g}%&warm_up_tau={tau_s:g}s"


_OU3, _SPIKES, _HALF_SPEED = _noise(3, 20), _stalls(0.5, 90), _cold(50, 40)

COLUMNS: Mapping[str, Disturbance] = {
    d.name: d
    for d in (
        Disturbance("clean", "nothing"),
        Disturbance("ou3", "3 % speed noise, correlated over 20 s", _OU3),
        Disturbance("spikes", "stalls of 0.5 s, one every 90 s on average", stalls=_SPIKES),
        Disturbance("cold", "half speed at first, warming within 40 s", passing=_HALF_SPEED),
        Disturbance("all", "noise, stalls and cold start", _OU3, _SPIKES, _HALF_SPEED),
    )
}
"""The columns of the table of goals."""


def _others() -> Iterator[Disturbance]:
    for percent in (1, 3, 6):
        for tau_s in (5, 20, 120):
            says = f"{percent} % speed noise, correlated over {tau_s} s"
            yield Disturbance(f"ou{percent}_tau{tau_s}", says, _noise(percent, tau_s))
    for length_s in (0.2, 0.5, 2.0):
        for every_s in (30, 90, 300):
            says = f"stalls of {length_s:g} s, one every {every_s} s on average"
            name = f"stall{length_s:g}_every{every_s}"
            yield Disturbance(name, says, stalls=_stalls(length_s, every_s))
    for percent in (30, 70):
        for tau_s in (10, 40, 120):
            says = f"{percent} % slower at first, warming within {tau_s} s"
            yield Disturbance(f"cold{percent}_tau{tau_s}", says, passing=_cold(percent, tau_s))
    yield Disturbance(
        "slow",
        "half speed for 5 s, once a minute on average",
        noise="slow_every=60s&slow=5s&slow_speed=50%&spells=random",
    )
    again = f"{_cold(50, 40)}&rewarm_after=30s"
    yield Disturbance("bursty", "arrivals with gamma gaps of cv 2", noise="arrivals_cv=2")
    switched = "arrivals_swing=80%&arrivals_swing_tau=2s"
    says = "a rate that switches between 0.2 and 1.8 of its mean, 2 s each on average"
    yield Disturbance("switching", says, noise=switched)
    yield Disturbance("rewarm", "cold again after 30 s without work", passing=again)
    for sign in ("-", "+"):
        says = f"{sign}5 % of speed in ten minutes; the truth is that at five"
        ends = "97.5%" if sign == "-" else "102.5%"
        name = "drift_down" if sign == "-" else "drift_up"
        yield Disturbance(name, says, passing=f"drift={sign}5%", lasting=f"speed={ends}")
    for percent in (-20, 20):
        says = f"{percent:+d} % of speed after 200 s, and the truth is what follows"
        name = "step_down" if percent < 0 else "step_up"
        step = f"step={percent:+d}%&step_at=200s"
        yield Disturbance(name, says, passing=step, lasting=f"speed={100 + percent}%")


SCENARIOS: Mapping[str, Disturbance] = {each.name: each for each in _others()}
"""More and less of a disturbance, and others; run by name."""

DISTURBANCES: Mapping[str, Disturbance] = {**COLUMNS, **SCENARIOS}
