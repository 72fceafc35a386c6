"""How long did each request take by the worker's clock? Told by due time, beside a server's stamps.

Option `pairs`: a file. Each arrival that ended is four int64 in it: due, start, end, index (times
in ns of the monotonic clock), written when the users are let go.
"""

from __future__ import annotations

from array import array
from pathlib import Path

from locust import events, task

from workers.clients.inference import InferenceUser, Prepared
from workers.permit import Permit, current_permit

_SENT: list[Permit] = []
_PLACE: list[Path] = []


class StampedUser(InferenceUser):
    """Says in the path when its arrival was due: no two arrivals share that, not even of two probes."""

    host = "http://127.0.0.1:8000"

    def on_start(self) -> None:
        template = self.prepare("GET", "/0").data
        self._before, self._after = template.split(b"/0", 1)
        _PLACE[:] = [Path(self.tonnage_options["pairs"])]

    @task
    def request(self) -> None:
        permit = current_permit()
        assert permit is not None
        data = b"%s/%d%s" % (self._before, permit.due_ns, self._after)
        self.send(Prepared("GET", "/", data))
        _SENT.append(permit)


def write(**_: object) -> None:
    """Write what ended, and forget it."""
    rows = array("q")
    for permit in _SENT:
        if permit.answered_ns:
            rows.extend((permit.due_ns, permit.start_ns, permit.answered_ns, permit.index))
    _SENT.clear()
    if _PLACE:
        _PLACE[0].write_bytes(rows.tobytes())


events.test_stop.add_listener(write)  # type: ignore[no-untyped-call]
