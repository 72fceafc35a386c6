"""What can go wrong in the controller, and as which HTTP status does it show?

Error
├─ NotFound           404  no such run, artefact or report
├─ Conflict           409  the run has ended; the idempotency key was used for another goal
├─ GoalRefused        422  the goal is wrong: one entry per field
├─ NotAllowed         403  the operator has not turned it on
├─ TooLarge           413  an artefact or a body over its limit
├─ PreflightFailed    –    ends the run as `rejected`
└─ FleetError         503
   ├─ NoWorkers            none is ready, or none is left
   ├─ FleetLost            all fell silent, or Redis is gone for longer than the grace
   └─ Fenced               another controller has taken the run over
"""

from __future__ import annotations

from dataclasses import dataclass


class Error(Exception):
    """Root of the tree; its text is for people."""


class NotFound(Error):
    """No such thing under that name."""


class Conflict(Error):
    """The thing is in a state that does not allow this."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong field: where (`search.from`), what was given, and what would be right."""

    field: str
    value: str
    fix: str


class GoalRefused(Error):
    """The goal cannot be run as it stands."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{f.field}: {f.value}: {f.fix}" for f in faults))
        self.faults = faults


class NotAllowed(Error):
    """The operator has not turned this on; the text says how."""


class TooLarge(Error):
    """Over a size limit that the text names."""


class PreflightFailed(Error):
    """The target or the fleet is not ready for this goal; no load has been sent."""


class FleetError(Error):
    """The fleet cannot offer the load."""


class NoWorkers(FleetError):
    """No worker is ready, or none is left."""


class FleetLost(FleetError):
    """All workers fell silent, or the bus between us is gone."""


class Fenced(FleetError):
    """Another controller has taken the run over; this one must stop quietly."""


class SignalsUnreadable(Exception):
    """The target's own metrics cannot be read. It is noted and ends no run, so it is no Error."""
