"""How do the clients tell that a request went over the wire which no task asked for?"""

from workers.permit import current_permit


def count_extra_send() -> None:
    """Count one re-send or followed redirect for the arrival at hand; nothing outside of any."""
    permit = current_permit()
    if permit is not None:
        permit.recorder.extra_sends += 1
