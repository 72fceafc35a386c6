"""Do two stacks keep off one journal, and do signals end a command in order?"""

import os
import signal
from pathlib import Path

import pytest

from tonnage.errors import FAILED, CommandError
from tonnage.signals import Interrupted, interruptible
from tonnage.standing import data_folder, only_one


def test_a_second_stack_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with only_one(tmp_path):
        with pytest.raises(CommandError, match="--data-dir") as caught, only_one(tmp_path):
            pass
        assert str(tmp_path) in str(caught.value)
        assert caught.value.status == FAILED
    with only_one(tmp_path):
        pass


def test_data_lie_where_the_desktop_standard_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert data_folder() == Path("/data/tonnage")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/a")
    assert data_folder() == Path("/home/a/.local/share/tonnage")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_interrupts_and_later_ones_let_clean_up_end(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    with interruptible() as interruption:
        with pytest.raises(Interrupted, match=number.name):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert interruption.count == 2
    assert signal.getsignal(number) is before
