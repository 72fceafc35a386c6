"""Does the stack start again what may be started again, and give up on what keeps dying?"""

import sys
from pathlib import Path

import pytest

from tests.helpers.processes import eventually
from tonnage.child import Child
from tonnage.errors import FAILED, CommandError
from tonnage.stack import MAX_RESTARTS, Stack, StackOptions

WAIT_S = 20.0


class Given(Stack):
    """A stack of children that a test gives it, and what it said."""

    def __init__(self, folder: Path, *children: Child) -> None:
        self.told: list[str] = []
        super().__init__(StackOptions(directory=folder, workers=1), self.told.append)
        self._children = list(children)

    def _start(self) -> None:
        for child in self._children:
            child.start()


def child(folder: Path, name: str, code: str = "import time; time.sleep(600)") -> Child:
    return Child(name, [sys.executable, "-c", code], folder / f"{name}.log")


def dead(child: Child) -> None:
    child.terminate()
    child.wait()


@pytest.mark.parametrize(
    ("name", "run_active", "restarted"),
    [
        ("redis", True, True),
        ("controller", True, True),
        ("worker-1", True, False),
        ("redis", False, True),
        ("controller", False, True),
        ("worker-1", False, True),
        ("target", False, False),
    ],
)
def test_who_is_started_again(tmp_path: Path, name: str, run_active: bool, restarted: bool) -> None:
    one = child(tmp_path, name)
    with Given(tmp_path, one) as stack:
        stack.check(run_active=run_active)
        assert stack.told == []
        dead(one)
        stack.check(run_active=run_active)
        assert one.alive == restarted
        assert [f"{name} ended" in text for text in stack.told] == [True] * restarted
    assert not one.alive


def test_a_child_that_keeps_dying_ends_the_stack_with_its_last_words(tmp_path: Path) -> None:
    one = child(tmp_path, "controller", "import sys; sys.exit('database is broken')")

    def check_until_it_gives_up() -> None:
        for _ in range(MAX_RESTARTS + 1):
            eventually(lambda: not one.alive, "it dies", WAIT_S)
            stack.check(run_active=True)

    with (
        Given(tmp_path, one) as stack,
        pytest.raises(CommandError, match=r"controller died .* times") as caught,
    ):
        check_until_it_gives_up()
    assert "database is broken" in str(caught.value)
    assert caught.value.status == FAILED
    assert one.starts == MAX_RESTARTS + 1


def test_redis_is_stopped_last_and_the_controller_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    end = Child.terminate

    def noted(self: Child) -> None:
        order.append(self.name)
        end(self)

    monkeypatch.setattr(Child, "terminate", noted)
    names = ("redis", "worker-1", "controller", "worker-2", "target")
    with Given(tmp_path, *(child(tmp_path, name) for name in names)):
        pass
    assert order[0] == "controller"
    assert order[-1] == "redis"
    assert set(order) == set(names)


def test_a_stack_that_does_not_come_up_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "redis-server"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\necho 'Redis server v=7.2.0 sha=0'\n[ \"$1\" = --version ] || exit 3\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    stack = Stack(StackOptions(directory=tmp_path, workers=1), lambda text: None)
    with pytest.raises(CommandError, match="redis ended with status 3; it said:"), stack:
        pass
    assert not stack.child("redis").alive
