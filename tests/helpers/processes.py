"""How do tests start real processes, wait for them with their output in hand, and end them all?

Everything a test starts is ended by its process id, together with whatever it has started
itself; a wait that fails shows what the process and its children wrote.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import psutil

ROOT = Path(__file__).parents[2]
POLL_S = 0.05
END_GRACE_S = 15.0
TAIL_BYTES = 4_000
COLUMNS = "400"
WORKER_RATE = "3000/s"
"""Workers of tests do not measure the machine."""

T = TypeVar("T")


class Logs:
    """Log files below a folder, readable even after their owner has removed them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[Path, BinaryIO] = {}

    def look(self) -> None:
        """Take hold of log files that have appeared."""
        for path in self._folder.rglob("*.log"):
            if path not in self._open:
                with contextlib.suppress(FileNotFoundError):
                    self._open[path] = path.open("rb")

    def read(self, name: str) -> str:
        """All that was written to the logs of that name."""
        self.look()
        return "".join(self._text(file) for path, file in self._open.items() if path.name == name)

    def tails(self) -> str:
        self.look()
        texts = {path.name: self._text(file)[-TAIL_BYTES:] for path, file in self._open.items()}
        return "\n".join(f"--- {name}\n{text}" for name, text in sorted(texts.items()))

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()

    @staticmethod
    def _text(file: BinaryIO) -> str:
        file.seek(0)
        return file.read().decode("utf-8", "replace")


class Program:
    """A process that a test has started; its output and its children's logs lie in `folder`."""

    def __init__(
        self, name: str, argv: Sequence[str], folder: Path, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.folder = folder
        self.logs = Logs(folder)
        self._seen: set[psutil.Process] = set()
        with (folder / f"{name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """What it has written so far, both streams."""
        return self.logs.read(f"{self.name}.log")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def family(self) -> set[psutil.Process]:
        """Every process below it, seen now or earlier, that is still there."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen.update(psutil.Process(self.pid).children(recursive=True))
        return {process for process in self._seen if is_there(process)}

    def child(self, words: str) -> psutil.Process:
        """The one process below it whose command line holds `words`."""
        found = [process for process in self.family() if words in command_line(process)]
        assert len(found) == 1, self.told(f"{len(found)} processes of {self.name} run {words!r}")
        return found[0]

    def until(self, holds: Callable[[], T], what: str, timeout_s: float) -> T:
        """The first true answer of `holds`; fails when the program ends before there is one."""
        return eventually(holds, what, timeout_s, told=self.told, meanwhile=self._must_live)

    def ended(self, timeout_s: float) -> int:
        """Its exit status, when it has ended by itself."""
        eventually(lambda: not self.alive, f"{self.name} ends", timeout_s, told=self.told)
        return self._process.wait(1)

    def told(self, text: str) -> str:
        """`text` and what the program and its children wrote."""
        return f"{text}\n{self.logs.tails()}"

    def close(self) -> None:
        """End it, and whatever it started; a polite word to it first."""
        family = self.family()
        if self.alive:
            self.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_GRACE_S)
        for process in family | self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.kill()
        self._process.wait(END_GRACE_S)
        self.logs.close()

    def _must_live(self) -> None:
        self.family()
        self.logs.look()
        status = self._process.poll()
        assert status is None, self.told(f"{self.name} has ended with status {status}")


def eventually(
    holds: Callable[[], T],
    what: str,
    timeout_s: float,
    *,
    told: Callable[[str], str] = str,
    meanwhile: Callable[[], None] = lambda: None,
) -> T:
    """The first true answer of `holds`; fails with `told(…)` after `timeout_s`."""
    until_s = time.monotonic() + timeout_s
    while not (held := holds()):
        meanwhile()
        assert time.monotonic() < until_s, told(f"not within {timeout_s:g} s: {what}")
        time.sleep(POLL_S)
    return held


@contextmanager
def running(
    name: str, module: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """`python -m MODULE …` while inside; temporary folders of it lie in `folder` as well."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TONNAGE_")}
    clean |= {"TMPDIR": str(temporary), "COLUMNS": COLUMNS, "TONNAGE_WORKER_RATE": WORKER_RATE}
    clean |= env or {}
    program = Program(name, (sys.executable, "-m", *module), folder, clean)
    try:
        yield program
    finally:
        program.close()


def is_there(process: psutil.Process) -> bool:
    """Whether it runs: neither gone nor a zombie, and no other process under its number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> str:
    """Its arguments, or nothing when it has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def kill(process: psutil.Process) -> None:
    """SIGKILL, to exactly this process."""
    assert is_there(process)
    process.send_signal(signal.SIGKILL)
