"""How does a child process of the local stack start, die with us, and tell why it died?"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
STOP_GRACE_S = 8.0
"""From SIGTERM to SIGKILL: a controller stops the load and waits for the fleet to confirm."""
TAIL_BYTES = 2_000


class Child:
    """One process with its log file.

    Start it from the main thread: on Linux the kernel ends it when the *thread* that started
    it ends, also by SIGKILL.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        niceness: int = 0,
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._log = log
        self._niceness = niceness
        self._starter = os.getpid()
        self._env = dict(os.environ) | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it, or start it again after it died."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,  # a Ctrl-C is ours to handle, not theirs
                preexec_fn=self._before_exec,  # noqa: PLW1509 - see the class
            )
        self.starts += 1

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Ask it to end; `wait` for it afterwards."""
        if self._process is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def wait(self, grace_s: float = STOP_GRACE_S) -> None:
        """Return when it has ended; killed after `grace_s`."""
        if self._process is None:
            return
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def _before_exec(self) -> None:
        """In the child: the kernel sends SIGTERM when our starter dies; others may go first."""
        if self._niceness:
            os.nice(self._niceness)
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != self._starter:  # it died before we asked to be told
                os._exit(1)

    def log_tail(self) -> str:
        """Last lines it wrote, for an error message."""
        try:
            data = self._log.read_bytes()[-TAIL_BYTES:]
        except OSError:
            return ""
        return data.decode("utf-8", "replace").strip()
