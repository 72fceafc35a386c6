"""May a run that another controller had be resumed, and how much of its budget passed meanwhile?"""

from __future__ import annotations

from contract.units import Seconds, format_duration
from controller.search.journal import (
    Advised,
    Event,
    PreflightPassed,
    ProbeDecided,
    Resumed,
)
from controller.search.view import RunView

RESUME_WITHIN_S = 120.0
"""A run whose controller was gone for longer ends as aborted: the target has moved on."""


def unpaid_s(history: tuple[Event, ...], now: float) -> Seconds:
    """Seconds that no decided probe and no earlier resume accounts for, the gap included."""
    since = now
    for event in history:
        if isinstance(event, PreflightPassed | ProbeDecided | Advised | Resumed):
            since = event.at
    return Seconds(max(0.0, now - since))


def refusal(history: tuple[Event, ...], view: RunView, gone_s: float, now: float) -> str | None:
    """Why the run may not resume, or None."""
    if view.goal is None:
        return "its goal was never journalled"
    if gone_s > RESUME_WITHIN_S:
        limit = format_duration(RESUME_WITHIN_S)
        return f"the controller was gone for {rounded(gone_s)}; a run resumes within {limit}"
    if not any(isinstance(event, ProbeDecided) for event in history):
        return None
    paid_s = sum(float(e.seconds) for e in history if isinstance(e, Resumed | Advised))
    if view.spent_s + paid_s + unpaid_s(history, now) >= view.goal.budget_s:
        return f"the controller was gone for {rounded(gone_s)}, and the budget is spent"
    return None


def rounded(seconds: float) -> str:
    """A duration as people say it."""
    return format_duration(round(seconds, 0 if seconds >= 1 else 1))
