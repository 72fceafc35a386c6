"""Does a command follow a run through a controller's restart, and give up on one that is gone?"""

from collections.abc import Callable, Iterator

import pytest

from tonnage.client import Controller, Document, Refused, Unreachable
from tonnage.follow import Follower, abort

Events = Iterator[tuple[str, str, Document]]


class Scripted(Controller):
    """A controller whose event streams are given, one after the other."""

    def __init__(self, *streams: Callable[[], Events]) -> None:
        super().__init__("http://127.0.0.1:1")
        self._streams = list(streams)
        self.asked_behind: list[str | None] = []
        self.ended_after = 0
        self.aborted: list[str] = []

    def events(self, run: str, after: str | None) -> Events:
        self.asked_behind.append(after)
        return self._streams.pop(0)()

    def abort(self, run: str) -> None:
        self.aborted.append(run)

    def view(self, run: str) -> Document:
        self.ended_after -= 1
        return {"ended": self.ended_after < 0}


def breaks_after_two() -> Events:
    yield "1", "view", {"n": 1}
    yield "2", "view", {"n": 2}
    raise Unreachable("lost the connection")


def closes_at_once() -> Events:
    return iter(())


def ends() -> Events:
    yield "3", "end", {"n": 3}


def refuses() -> Events:
    raise Refused(404, {"detail": "no such run"})


def drops_after_silence() -> Events:
    lost = Unreachable("lost the connection")
    lost.was_there = True
    raise lost


def nobody() -> Events:
    raise Unreachable("nobody answers")


def test_it_comes_back_behind_the_last_position_and_draws_every_view() -> None:
    controller = Scripted(breaks_after_two, closes_at_once, ends)
    drawn: list[Document] = []
    tended: list[int] = []
    with Follower(controller, "r") as follower:
        last = follower.wait(drawn.append, lambda: tended.append(1))
    assert controller.asked_behind == [None, "2", "2"]
    assert drawn == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert last == {"n": 3}
    assert tended


def test_a_refusal_is_told_at_once() -> None:
    with Follower(Scripted(refuses), "r") as follower, pytest.raises(Refused, match="no such run"):
        follower.wait(lambda _: None, lambda: None)


def test_a_controller_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tonnage.follow.GONE_S", -1.0)
    controller = Scripted(nobody, nobody)
    with Follower(controller, "r") as follower, pytest.raises(Unreachable, match="nobody"):
        follower.wait(lambda _: None, lambda: None)


def test_one_broken_connection_is_no_absence_however_quiet_it_was_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tonnage.follow.GONE_S", -1.0)
    with Follower(Scripted(drops_after_silence, drops_after_silence, ends), "r") as follower:
        assert follower.wait(lambda _: None, lambda: None) == {"n": 3}


def test_an_abort_returns_when_the_run_has_ended() -> None:
    controller = Scripted()
    controller.ended_after = 2
    tended: list[int] = []
    abort(controller, "r", lambda: tended.append(1))
    assert controller.aborted == ["r"]
    assert len(tended) == 3
