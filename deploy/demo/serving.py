"""How do requests over HTTP reach the batches, and how do answers get back on time?

One asyncio loop does everything. The wait for a deadline ends with short naps between looks at the
sockets: a plain timer would be up to a millisecond late, and spinning would burn a core.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass

from deploy.demo.batching import Batch, Batcher, Timing
from deploy.demo.http1 import IDLE_S, Connection, Refused, Request, Response
from deploy.demo.measured import Measured
from deploy.demo.toy_model import BadRequest, Row, ToyModel

APPROACH_S = 0.0012
"""Timers of the loop are set this much early: epoll rounds up to a whole millisecond."""

NAP_S = 0.0002
REPLICA_HEADER = "x-replica"
SWEEP_S = 30.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does beside serving: fail some requests, and keep or drop abandoned ones.

    `drops_abandoned`: a queued request whose client closed the connection leaves the queue.
    `name` stands in every answer, as that of one replica of several.
    """

    fail_ratio: float = 0.0
    seed: int = 1
    drops_abandoned: bool = True
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not (self.name.isascii() and self.name.isprintable()):
            raise ValueError(f"name {self.name!r} must be printable ASCII")
        if not 0 <= self.fail_ratio <= 1:
            raise ValueError(f"fail ratio {self.fail_ratio!r} must lie between 0 and 1")


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A request in the queue or on the accelerator."""

    connection: Connection
    row: Row
    request_id: str | None


class ServedModel:
    """The model, its queue and its routes, on one running event loop."""

    def __init__(
        self,
        model: ToyModel,
        timing: Timing,
        behaviour: Behaviour,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._model, self._timing, self._behaviour, self._loop = model, timing, behaviour, loop
        self._origin_s = loop.time()
        self._batcher: Batcher[Ticket] = Batcher(timing)
        self._measured = Measured()
        self._outputs: list[list[float]] = []
        self._random = random.Random(behaviour.seed)
        self._connections: dict[Connection, Ticket | None] = {}
        self._wake_s: float | None = None
        self._sweep = loop.call_later(SWEEP_S, self._close_silent)
        name = model.name
        self._pages = {
            "/v2": self._json({"name": "tonnage-demo", "version": "1", "extensions": []}),
            "/v2/health/live": self._json({"live": True}),
            "/v2/health/ready": self._json({"ready": True}),
            f"/v2/models/{name}": self._json(model.metadata()),
            f"/v2/models/{name}/ready": self._json({"name": name, "ready": True}),
        }
        self._infer_path = f"/v2/models/{name}/infer"

    def connection(self) -> Connection:
        """A protocol for one accepted socket."""
        name = self._behaviour.name
        more = "" if name is None else f"{REPLICA_HEADER}: {name}\r\n"
        made = Connection(self._handle, self._refuse, self._lost, self._now, more)
        self._connections[made] = None
        return made

    def close(self) -> None:
        """Cut every connection; what was queued is not answered."""
        self._sweep.cancel()
        for connection in list(self._connections):
            connection.close()

    def _now(self) -> float:
        return self._loop.time() - self._origin_s

    @staticmethod
    def _json(document: object, status: int = 200) -> Response:
        return Response(status, json.dumps(document).encode())

    def _error(self, status: int, message: str) -> Response:
        return self._json({"error": message}, status)

    def _refuse(self, refused: Refused) -> Response:
        return self._error(refused.status, str(refused))

    def _handle(self, connection: Connection, request: Request) -> None:
        if request.path == self._infer_path and request.method == "POST":
            self._infer(connection, request)
        else:
            connection.respond(self._page(request))

    def _page(self, request: Request) -> Response:
        path = request.path
        if path == self._infer_path:
            return self._error(405, "use POST to infer")
        if request.method != "GET" and (path in self._pages or path in ("/metrics", "/durations")):
            return self._error(405, f"use GET for {path}")
        if path in self._pages:
            return self._pages[path]
        if path == "/metrics":
            text = self._measured.exposition(self._timing, self._batcher.queued, self._in_flight)
            return Response(200, text.encode(), "text/plain; version=0.0.4; charset=utf-8")
        if path == "/durations":
            return self._json(self._durations())
        if path.startswith("/v2/models/"):
            asked = path.removeprefix("/v2/models/").partition("/")[0]
            if asked != self._model.name:
                has = self._model.name
                return self._error(404, f"unknown model {asked!r:.80}: this server has {has!r}")
        return self._error(404, f"nothing at {path!r:.80}: see {', '.join(self._pages)}")

    @property
    def _in_flight(self) -> int:
        running = self._batcher.running
        return self._batcher.queued + (len(running.keys) if running else 0)

    def _durations(self) -> dict[str, object]:
        timing = self._timing
        settings = {
            "base_s": timing.base_s,
            "per_item_s": timing.per_item_s,
            "max_batch": timing.max_batch,
            "queue_bound": timing.queue_bound,
            "stall_every_s": timing.stalls.every_s,
            "stall_s": timing.stalls.length_s,
            "fail_ratio": self._behaviour.fail_ratio,
        }
        measured = self._measured.durations(timing.max_batch)
        return {"model": self._model.name, "settings": settings, **measured}

    def _infer(self, connection: Connection, request: Request) -> None:
        try:
            asked = self._model.read(request.body)
        except BadRequest as error:
            self._answer(connection, self._error(400, str(error)))
            return
        ticket = Ticket(connection, asked.row, asked.request_id)
        if not self._batcher.offer(ticket, self._now()):
            self._answer(connection, self._error(503, "queue is full"))
            return
        self._connections[connection] = ticket
        if self._batcher.idle and self._wake_s is None:
            self._turn()

    def _answer(self, connection: Connection, response: Response) -> None:
        self._measured.status(response.status)
        connection.respond(response)

    def _lost(self, connection: Connection) -> None:
        ticket = self._connections.pop(connection, None)
        if ticket is None or not self._behaviour.drops_abandoned:
            return
        if self._batcher.withdraw(ticket):
            self._measured.withdrawn += 1

    def _turn(self) -> None:
        now_s = self._now()
        turn = self._batcher.turn(now_s)
        outputs = self._outputs
        if turn.finished is not None:
            self._deliver(turn.finished, outputs, now_s)
        if turn.started is not None:
            self._outputs = self._model.compute([ticket.row for ticket in turn.started.keys])
        self._wake_s = turn.wake_s
        if turn.wake_s is not None:
            self._approach()
        elif self._batcher.queued:  # came in behind an answer just written
            self._turn()

    def _approach(self) -> None:
        if self._wake_s is None:
            return
        left_s = self._wake_s - self._now()
        if left_s <= 0:
            self._turn()
        elif left_s > APPROACH_S:
            self._loop.call_at(self._origin_s + self._wake_s - APPROACH_S, self._approach)
        else:
            if left_s > 2 * NAP_S:
                time.sleep(NAP_S)  # blocks on purpose: shorter than the loop can wait
            self._loop.call_soon(self._approach)

    def _deliver(self, batch: Batch[Ticket], outputs: list[list[float]], ended_s: float) -> None:
        size = len(batch.keys)
        self._measured.batch(size, ended_s - batch.taken_s - batch.stalled_s, warm=batch.warm)
        headers = {"x-served-batch": str(size)}
        for ticket, row in zip(batch.keys, outputs, strict=True):
            if self._connections.get(ticket.connection) is not ticket:
                continue  # the client left while the batch ran
            self._connections[ticket.connection] = None
            if self._random.random() < self._behaviour.fail_ratio:
                self._answer(ticket.connection, self._error(500, "failed as --fail-ratio asks"))
            else:
                body = self._model.answer(row, ticket.request_id)
                self._answer(ticket.connection, Response(200, body, headers=headers))
            self._measured.delivery(self._now() - ended_s)

    def _close_silent(self) -> None:
        oldest_s = self._now() - IDLE_S
        for connection in [each for each in self._connections if each.silent_since_s < oldest_s]:
            connection.close()
        self._sweep = self._loop.call_later(SWEEP_S, self._close_silent)
