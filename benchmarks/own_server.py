"""How does a benchmark get a server of its own, on a free port, that ends with it?"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0


@contextmanager
def running(module: str, options: Sequence[str], folder: Path) -> Iterator[str]:
    """The URL of `python -m MODULE OPTIONS --print-port-to FILE`, stopped at the end.

    Raises:
        RuntimeError: it did not come up; the text has what it said.
    """
    port_file, log = folder / f"{module}.port", folder / f"{module}.log"
    port_file.unlink(missing_ok=True)
    argv = [sys.executable, "-m", module, *options, "--print-port-to", str(port_file)]
    with log.open("ab") as said:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} did not start; it said:\n{log.read_text()}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
