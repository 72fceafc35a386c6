"""How does the command line talk to a controller: REST for commands, events for progress?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from tonnage.errors import FAILED, REJECTED, CommandError

TIMEOUT_S = 10.0
EVENT_SILENCE_S = 30.0
"""The controller pings event streams every 15 s; longer silence is a dead connection."""

Document = dict[str, Any]


class Unreachable(CommandError):
    """Nobody answers at the controller's address, or not any more (`was_there`)."""

    was_there = False


class Refused(CommandError):
    """The controller answered with a problem; `faults` name fields when the goal is wrong."""

    def __init__(self, status: int, problem: Document) -> None:
        faults = problem.get("errors") or []
        lines = [f"{f['field']}: {f['value']}: {f['fix']}" for f in faults if "field" in f]
        text = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        super().__init__("\n".join(lines or [text]), REJECTED if 400 <= status < 500 else FAILED)
        self.http_status = status


class Controller:
    """A controller at `url`; `token` goes along as a bearer token when there is one."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S)

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def healthy(self) -> bool:
        return self._request("GET", "/healthz", raise_problem=False).status_code == 200

    def fleet(self, within_s: float = TIMEOUT_S) -> list[Document]:
        """Workers heard of within the last seconds."""
        answer = self._request("GET", "/api/v1/fleet", timeout=within_s)
        workers: list[Document] = answer.json()["workers"]
        return workers

    def demand(self, within_s: float = TIMEOUT_S) -> Document:
        """How many workers the runs need."""
        demand: Document = self._request("GET", "/api/v1/fleet/demand", timeout=within_s).json()
        return demand

    def create(self, goal: Document, idempotency_key: str) -> str:
        """Queue a run; its id. The same key again gives the same run."""
        answer = self._request(
            "POST", "/api/v1/runs", json=goal, headers={"Idempotency-Key": idempotency_key}
        )
        return str(answer.json()["id"])

    def view(self, run: str) -> Document:
        view: Document = self._request("GET", f"/api/v1/runs/{run}").json()
        return view

    def runs(self) -> list[Document]:
        runs: list[Document] = self._request("GET", "/api/v1/runs").json()["runs"]
        return runs

    def result(self, run: str) -> Document:
        """The result document (docs/goal-and-result.md)."""
        result: Document = self._request("GET", f"/api/v1/runs/{run}/report.json").json()
        return result

    def abort(self, run: str) -> None:
        """Ask for the run's end; no error when it has ended already."""
        answer = self._request("POST", f"/api/v1/runs/{run}/abort", raise_problem=False)
        if answer.status_code not in (200, 202, 409):
            raise _refused(answer)

    def quote(self, goal: Document) -> Document:
        quote: Document = self._request("POST", "/api/v1/quote", json=goal).json()
        return quote

    def upload(self, data: bytes, sha256: str) -> None:
        """Store an artefact under its hash."""
        self._request("PUT", f"/api/v1/artefacts/{sha256}", content=data)

    def events(self, run: str, after: str | None) -> Iterator[tuple[str, str, Document]]:
        """(position, kind, data) of the run's events behind `after`, until the stream ends.

        Raises:
            Unreachable: the connection broke; ask again from the last position.
        """
        headers = {"Last-Event-ID": after} if after else {}
        timeout = httpx.Timeout(TIMEOUT_S, read=EVENT_SILENCE_S)
        was_there = False
        try:
            with self._http.stream(
                "GET", f"/api/v1/runs/{run}/events", headers=headers, timeout=timeout
            ) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refused(answer)
                was_there = True
                yield from _parse_events(answer.iter_lines())
        except httpx.HTTPError as error:
            lost = Unreachable(f"lost the connection to {self.url}: {error}")
            lost.was_there = was_there
            raise lost from error

    def _request(
        self, method: str, path: str, *, raise_problem: bool = True, **options: Any
    ) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unreachable(f"no controller answers at {self.url}: {error}") from error
        if raise_problem and answer.status_code >= 400:
            raise _refused(answer)
        return answer


def _refused(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {"detail": f"HTTP {answer.status_code} from {answer.request.url}"}
    return Refused(answer.status_code, problem if isinstance(problem, dict) else {})


def _parse_events(lines: Iterator[str]) -> Iterator[tuple[str, str, Document]]:
    """Server-sent events (WHATWG HTML, section 9.2), as far as the controller uses them."""
    position, kind = "", "message"
    data: list[str] = []
    for line in lines:
        if line.startswith(":"):
            continue
        if not line:
            if data:
                yield position, kind, json.loads("\n".join(data))
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            position = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
