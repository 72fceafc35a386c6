"""How does a test let one user of a locustfile work, and see the events it fires?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from locust import FastHttpUser, HttpUser, User
from locust.env import Environment

from workers.clients.inference import InferenceUser
from workers.clients.policy import Connecting


@dataclass
class Driven:
    """One user, outside of any greenlet of Locust's, and its request events."""

    user: Any
    events: list[dict[str, Any]] = field(default_factory=list)

    def run_task(self) -> None:
        self.user.tasks[0](self.user)

    def start_and_run_task(self) -> None:
        self.user.on_start()
        self.run_task()

    @property
    def errors(self) -> list[str | None]:
        return [_text(event["exception"]) for event in self.events]


@contextmanager
def driving(kind: type[User], host: str) -> Iterator[Driven]:
    """A user aimed at `host`; its connections are closed afterwards."""
    environment = Environment(user_classes=[kind], host=host)
    kind.host = host
    connecting = Connecting()
    if issubclass(kind, InferenceUser) and kind.tonnage_connecting is None:
        kind.tonnage_connecting = connecting
    driven = Driven(kind(environment))
    listen: Any = environment.events.request.add_listener
    listen(lambda **event: driven.events.append(event))
    try:
        yield driven
    finally:
        _close(driven.user)
        connecting.close()
        if getattr(kind, "tonnage_connecting", None) is connecting:
            delattr(kind, "tonnage_connecting")


def _text(error: object) -> str | None:
    return None if error is None else f"{type(error).__name__}: {error}"


def _close(user: Any) -> None:
    if isinstance(user, FastHttpUser):
        user.client.client.clientpool.close()
    elif isinstance(user, HttpUser):
        user.client.close()
    elif hasattr(user, "close"):
        user.close()
