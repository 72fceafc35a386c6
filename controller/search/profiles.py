"""What is left of a soak's profile where a stretch begins, and when is that in the probe?

A profile counts from the beginning of the soak, whose time is that of judged load. A stretch goes
on where the last one ended: ramp and settling hold what the profile says there.
"""

from __future__ import annotations

from contract.warp import Knots, RateOverTime


def rest(profile: Knots, after_s: float) -> Knots:
    """The profile from `after_s` on, counted from there."""
    if not profile:
        return ()
    later = tuple((at_s - after_s, ratio) for at_s, ratio in profile if at_s > after_s)
    return ((0.0, RateOverTime(profile).at(after_s)), *later)


def begun_at(profile: Knots, at_s: float) -> Knots:
    """The profile where it begins at `at_s`; before, what it begins with."""
    if not profile:
        return ()
    moved = tuple((knot_s + at_s, ratio) for knot_s, ratio in profile)
    return moved if at_s == 0 else ((0.0, profile[0][1]), *moved)


def mean(profile: Knots, until_s: float) -> float:
    """The mean ratio up to then."""
    if not profile or until_s <= 0:
        return 1.0
    return RateOverTime(profile).count(until_s) / until_s
