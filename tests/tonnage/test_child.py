"""Does a child of the stack die with us, whatever kills us, and tell why it died?"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.helpers.processes import Program, eventually, is_there, running
from tonnage.child import Child

WAIT_S = 20.0
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
PARENT = """
import sys, time
from pathlib import Path
from tonnage.child import Child
child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
child.start()
print("child", child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    child = Child("sleeper", SLEEPER, tmp_path / "sleeper.log")
    child.start()
    yield child
    child.wait(0)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Program]:
    """A process of its own that has started a child."""
    (tmp_path / "parent_of_one.py").write_text(PARENT)
    argv = ["parent_of_one", str(tmp_path / "sleeper.log")]
    with running("parent", argv, tmp_path, {"PYTHONPATH": str(tmp_path)}) as program:
        program.until(lambda: "child" in program.output(), "the child is started", WAIT_S)
        yield program


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_its_parent(parent: Program, number: signal.Signals) -> None:
    child = psutil.Process(int(parent.output().split()[-1]))
    assert is_there(child)
    parent.send(number)
    assert parent.ended(WAIT_S) == -number
    eventually(lambda: not is_there(child), "the child has died with its parent", WAIT_S)


def test_a_child_is_ended_by_a_word(sleeper: Child) -> None:
    assert sleeper.exit_status is None
    sleeper.terminate()
    sleeper.wait()
    assert not sleeper.alive
    assert sleeper.exit_status == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = Child("deaf", [sys.executable, "-c", DEAF], tmp_path / "deaf.log")
    child.start()
    eventually(lambda: child.log_tail() == "deaf", "the child listens to nobody", WAIT_S)
    child.terminate()
    child.wait(grace_s=0.1)
    assert child.exit_status == -signal.SIGKILL


def test_a_child_can_be_started_again_and_goes_on_with_its_log(tmp_path: Path) -> None:
    child = Child("brief", [sys.executable, "-c", "print('gone')"], tmp_path / "brief.log")
    for start in (1, 2):
        child.start()
        child.wait()
        assert child.starts == start
        assert child.exit_status == 0
    assert child.log_tail().split() == ["gone", "gone"]


def test_the_log_tells_why_a_child_died(tmp_path: Path) -> None:
    child = Child(
        "sad", [sys.executable, "-c", "import sys; sys.exit('no luck')"], tmp_path / "log"
    )
    child.start()
    child.wait()
    assert child.exit_status == 1
    assert child.log_tail() == "no luck"


def test_what_the_child_is_told_of_the_environment_reaches_it(tmp_path: Path) -> None:
    show = "import os; print(os.environ['TONNAGE_REDIS_URL'])"
    argv = [sys.executable, "-c", show]
    child = Child("shows", argv, tmp_path / "log", {"TONNAGE_REDIS_URL": "redis://a"})
    child.start()
    child.wait()
    assert child.log_tail() == "redis://a"


def test_a_ctrl_c_of_ours_does_not_reach_the_child(sleeper: Child) -> None:
    assert sleeper.pid is not None
    assert os.getsid(sleeper.pid) != os.getsid(0)


def test_a_child_never_started_has_no_log_and_no_status(tmp_path: Path) -> None:
    child = Child("none", SLEEPER, tmp_path / "none.log")
    assert (child.pid, child.alive, child.exit_status, child.log_tail()) == (None, False, None, "")
    child.terminate()
    child.wait()
