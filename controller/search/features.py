"""Which parts of the method are switched off, so that the worth of each can be measured?

The six features of the paper's ablation. All are on unless a goal says otherwise; an answer found
with one of them off is a measurement of that feature, not of the target.

    warm_up      no warm-up and no sentinel: the target is judged as it is found
    replay       recorded requests are ignored, the user sends its synthetic ones
    signals      metrics of the target's own are neither scraped nor used
    objectives   only the first latency objective decides; the others are counted all the same
    batching     no learned burst factor, no lengths scaled by the relaxation time
    open_loop    a wait-for-answer loop (`controller.search.streams`)

Source: arXiv 2606.22013, table 4.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

_MEANS = {
    "warm_up": "the target was not warmed up",
    "replay": "recorded requests were not sent",
    "signals": "the target's own metrics were not used",
    "objectives": "only the first latency objective decided",
    "batching": "batching was not allowed for",
    "open_loop": "arrivals waited for answers (closed loop), response times count from the send",
}


@dataclass(frozen=True, slots=True)
class Features:
    """True: on."""

    warm_up: bool = True
    replay: bool = True
    signals: bool = True
    objectives: bool = True
    batching: bool = True
    open_loop: bool = True

    @property
    def off(self) -> tuple[str, ...]:
        """Names of those that are switched off."""
        return tuple(f.name for f in fields(self) if not getattr(self, f.name))


def warnings(features: Features) -> tuple[str, ...]:
    """What people must know of a run with features off, one sentence each."""
    return tuple(
        f"search.features.{name} is off: {_MEANS[name]}; this measures what the feature is worth, "
        "and is no capacity to plan with"
        for name in features.off
    )
