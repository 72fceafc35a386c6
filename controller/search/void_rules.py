"""Does a probe say anything of the target at all?

    lost       a worker died, restarted or fell silent, or arrivals are unaccounted for
    missed     more than 0.1 % of the scheduled arrivals were not started
    shed       an arrival was not sent although nothing in flight was over its limit
    send lag   p99 > min(10 % of the tightest limit, 20 ms): what was sent was not the schedule

Sent is compared with scheduled, never with the nominal rate; a target that answers little never
voids. While the probe runs, a rule fires once nothing that is still to come could clear it.
"""

from __future__ import annotations

from contract.units import Seconds, format_ratio
from controller.search import explain
from controller.search.tally import Setting, Tally

MISSED_RATIO = 0.001
LAG_QUANTILE = 0.99
LAG_LIMIT_RATIO, LONGEST_LAG_S = 0.1, Seconds(0.020)
LAG_FEWEST = 2
"""So many late sends say nothing about a quantile."""


def voided(setting: Setting, tally: Tally, *, ended: bool) -> str | None:
    """Why the probe is void, with the cure; None when it is sound so far."""
    return (
        _lost(tally)
        or _shed(tally)
        or _missed(setting, tally, ended=ended)
        or _lagging(setting, tally, ended=ended)
    )


def lag_limit_s(setting: Setting) -> Seconds:
    """Send lag p99 beyond which the generator is too slow to judge the target."""
    return Seconds(min(LAG_LIMIT_RATIO * setting.goal.tightest_limit_s, LONGEST_LAG_S))


def _lost(tally: Tally) -> str | None:
    if tally.lost:
        names = ", ".join(tally.lost)
        return f"lost {names}: its share of the load was not sent; see that worker's log"
    if tally.unaccounted:
        return (
            f"{explain.count(tally.unaccounted)} arrivals are unaccounted for: a worker's report"
            " was lost; see whether the bus dropped messages"
        )
    return None


def _shed(tally: Tally) -> str | None:
    shed = tally.totals.shed - tally.totals.shed_overdue
    if shed <= 0:
        return None
    return (
        f"{explain.count(shed)} arrivals were shed although the target was inside its limits: the"
        " workers had no free user; add workers"
    )


def _missed(setting: Setting, tally: Tally, *, ended: bool) -> str | None:
    missed, scheduled = tally.totals.missed, tally.totals.scheduled
    out_of = scheduled if ended else max(scheduled, _whole(setting))
    if missed <= MISSED_RATIO * out_of:
        return None
    return (
        f"{explain.count(missed)} of {explain.count(scheduled)} arrivals were not started,"
        f" {format_ratio(MISSED_RATIO)} allowed: the workers cannot keep up; add workers"
    )


def _lagging(setting: Setting, tally: Tally, *, ended: bool) -> str | None:
    limit_s = lag_limit_s(setting)
    sent = tally.send_lag.count
    out_of = sent if ended else max(float(sent), setting.planned)
    late = tally.send_lag.count_above(limit_s)
    if late <= max((1 - LAG_QUANTILE) * out_of, LAG_FEWEST):
        return None
    lag_s = tally.send_lag.quantile(LAG_QUANTILE)
    return (
        f"send lag p99 was {explain.duration(lag_s)}, {explain.duration(limit_s)} allowed: the"
        " workers cannot keep up; add workers or give them a core each"
    )


def _whole(setting: Setting) -> float:
    """Arrivals of the whole probe, ramp included, on average."""
    probe = setting.probe
    return probe.expected(0.0, probe.duration_s)
