"""Does a probe say anything of the target at all?

    lost       a worker died, restarted or fell silent, or arrivals are unaccounted for
    missed     more than 0.1 % of the scheduled arrivals were not started
    shed       an arrival was not sent although nothing in flight was over its limit
    refused    as many could not be connected for want of this side's descriptors or ports
    send lag   p99 > min(10 % of the tightest limit, 20 ms): what was sent was not the schedule

The sentence names the worker that was the limit, the cause and the cure (`controller.search.strain`).

Sent is compared with scheduled, never with the nominal rate; a target that answers little never
voids. While the probe runs, a rule fires once nothing that is still to come could clear it.
"""

from __future__ import annotations

from contract.units import Seconds, format_ratio
from controller.search import explain, strain
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
        or _shed(setting, tally)
        or _missed(setting, tally, ended=ended)
        or _refused(setting, tally, ended=ended)
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


def _shed(setting: Setting, tally: Tally) -> str | None:
    shed = tally.totals.shed - tally.totals.shed_overdue
    if shed <= 0:
        return None
    what = f"{explain.count(shed)} arrivals were shed although the target was inside its limits"
    return _because(setting, tally, what, "the workers had no free user; add workers")


def _missed(setting: Setting, tally: Tally, *, ended: bool) -> str | None:
    missed, scheduled = tally.totals.missed, tally.totals.scheduled
    out_of = scheduled if ended else max(scheduled, _whole(setting))
    if missed <= MISSED_RATIO * out_of:
        return None
    what = (
        f"{explain.count(missed)} of {explain.count(scheduled)} arrivals were not started,"
        f" {format_ratio(MISSED_RATIO)} allowed"
    )
    return _because(setting, tally, what, "the workers cannot keep up; add workers")


def _refused(setting: Setting, tally: Tally, *, ended: bool) -> str | None:
    """Arrivals that the worker failed, not the target: they were not sent either."""
    if not tally.strains:
        return None
    refused = sum(entry.refused_by(strain.OWN) for entry in tally.strains)
    scheduled = tally.totals.scheduled
    out_of = scheduled if ended else max(scheduled, _whole(setting))
    if refused <= MISSED_RATIO * out_of:
        return None
    what = (
        f"{explain.count(refused)} of {explain.count(scheduled)} arrivals could not be sent for"
        f" want of a connection, {format_ratio(MISSED_RATIO)} allowed"
    )
    return f"{what}; {strain.refusal(tally.strains)}"


def _lagging(setting: Setting, tally: Tally, *, ended: bool) -> str | None:
    limit_s = lag_limit_s(setting)
    sent = tally.send_lag.count
    out_of = sent if ended else max(float(sent), setting.planned)
    late = tally.send_lag.count_above(limit_s)
    if late <= max((1 - LAG_QUANTILE) * out_of, LAG_FEWEST):
        return None
    lag_s = tally.send_lag.quantile(LAG_QUANTILE)
    what = f"send lag p99 was {explain.duration(lag_s)}, {explain.duration(limit_s)} allowed"
    otherwise = "the workers cannot keep up; add workers or give them a core each"
    return _because(setting, tally, what, otherwise)


def _because(setting: Setting, tally: Tally, what: str, otherwise: str) -> str:
    """What happened, and the cause; `otherwise` when no worker told of one."""
    span_s = tally.through_s - setting.probe.judged_from_s
    if span_s <= 0:
        span_s = tally.through_s
    found = strain.cause(tally.strains, span_s=span_s, late_s=lag_limit_s(setting))
    return f"{what}: {otherwise}" if found is None else f"{what}; {found}"


def _whole(setting: Setting) -> float:
    """Arrivals of the whole probe, ramp included, on average."""
    probe = setting.probe
    return probe.expected(0.0, probe.duration_s)
