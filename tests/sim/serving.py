"""Simulated targets, and requests put to them with time cut into steps."""

from __future__ import annotations

import numpy as np

from controller.sim.address import parse
from controller.sim.serving import joined
from controller.sim.target import Floats, Phases, Served

EVERY_FAMILY = {
    "batch": "sim://batch?base=20ms&per_item=2.5ms&max_batch=16&replicas=2&cv=0.08",
    "fifo": "sim://fifo?servers=8&mean=40ms&cv=0.6",
    "lognormal": "sim://fifo?servers=8&mean=40ms&cv=0.6&law=lognormal",
    "mm1": "sim://mm1?mean=5ms",
    "pareto": "sim://pareto?servers=8&mean=40ms&tail=2.2",
    "classes": "sim://classes?servers=8&mean=20ms&heavy_mean=200ms&heavy_ratio=10%&cv=0.6",
    "ps": "sim://ps?servers=2&mean=10ms&cv=1.5",
    "decode": "sim://decode?cap=24&token=10ms&token_per_request=0.3ms&output=20&prompt=200",
    "cache": "sim://cache?servers=8&hit=10ms&miss=80ms&half=60",
    "autoscaler": "sim://autoscaler?servers=4&mean=40ms&cv=0.6&most=4&after=10s",
    "retry": "sim://retry?servers=8&mean=40ms&cv=0.6&patience=300ms&attempts=3",
    "limiter": "sim://limiter?servers=8&mean=40ms&rate=150&burst=20",
    "copies": "sim://fifo?servers=2&mean=40ms&cv=0.6&copies=4&skew=0.3&troubles=own",
}
"""One target of each family, which carries some 150 requests a second."""

TROUBLES = (
    "&stall_every=3s&stall=0.4s&slow_every=7s&slow=1s&speed_noise=10%&speed_noise_tau=5s"
    "&warm_up_tau=2s&warm_up_slowdown=3&rewarm_after=2s&drift=-5%&step=-10%&step_at=9s"
    "&fail_ratio=2%"
)
BOUNDED = "&queue_bound=30"


def arrivals(rate: float, count: int, seed: int = 5) -> Floats:
    """Poisson arrivals, in s."""
    gaps = np.random.default_rng(seed).exponential(size=count)
    times: Floats = np.cumsum(gaps) / rate
    return times


def served(url: str, sent_s: Floats, step_s: float = 20.0) -> Served:
    """Everything served, by key, with time cut into steps."""
    target = parse(url).target(3)
    parts, first, through_s = [], 0, 0.0
    while through_s < sent_s[-1] + 100:
        through_s += step_s
        after = int(np.searchsorted(sent_s, through_s, side="right"))
        parts.append(target.serve(np.arange(first, after), sent_s[first:after], through_s))
        first = after
    return in_order(joined(parts))


def in_order(told: Served) -> Served:
    """The same, by key."""
    order = np.argsort(told.keys, kind="stable")
    phases = told.phases and Phases(told.phases.firsts_s[order], told.phases.between_s[order])
    replicas = None if told.replicas is None else told.replicas[order]
    return Served(told.keys[order], told.ends_s[order], told.errors[order], phases, replicas)
