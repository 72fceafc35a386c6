"""Which servers does the benchmark ask, and how do they end with it?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
BODIES = {"4k": 4_096, "64k": 65_536, "1m": 1_048_576}

_NGINX = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid;
error_log {folder}/nginx.log; worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off; sendfile on; open_file_cache max=10;
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  scgi_temp_path {folder}/t4; uwsgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{ return 200 '{{"ok":true,"x":[1,2,3]}}'; }}
    location /bodies/ {{ root {folder}; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the client has, and which the server."""

    client: int
    server: int

    @classmethod
    def of_this_machine(cls) -> Cores:
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[-1])

    @property
    def for_client(self) -> tuple[str, ...]:
        return ("taskset", "-c", str(self.client))

    @property
    def for_server(self) -> tuple[str, ...]:
        return ("taskset", "-c", str(self.server))


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs. `pid` is that of the process which answers."""

    url: str
    pid: int

    def stall(self, seconds: float) -> None:
        """Answer nothing for so long; connections are still accepted by the kernel."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def nginx(folder: Path, cores: Cores) -> Iterator[Server]:
    """An nginx on the server's core: a fixed body of 23 bytes at /, files of `BODIES` at /bodies/."""
    bodies = folder / "bodies"
    bodies.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for name, size in BODIES.items():
        (bodies / name).write_bytes(b"x" * size)
    port = _free_port()
    files = min(40_000, os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else 1_024)
    config = folder / "nginx.conf"
    text = _NGINX.format(folder=folder, port=port, files=files, connections=min(files, 20_000))
    config.write_text(text)
    argv = [*cores.for_server, "nginx", "-e", str(folder / "nginx.log"), "-c", str(config)]
    with _process(argv, folder / "nginx.said") as process:
        _answers(port, process, folder)
        yield Server(f"http://127.0.0.1:{port}", process.pid)


@contextmanager
def stamping(folder: Path, cores: Cores, options: Sequence[str] = ()) -> Iterator[Server]:
    """`stamping_server` on the server's core."""
    port = _free_port()
    argv = [*cores.for_server, sys.executable, "-m", "benchmarks.generator.stamping_server"]
    with _process([*argv, "--port", str(port), *options], folder / "stamping.said") as process:
        _answers(port, process, folder)
        yield Server(f"http://127.0.0.1:{port}", process.pid)


@contextmanager
def _process(argv: Sequence[str], said: Path) -> Iterator[subprocess.Popen[bytes]]:
    with said.open("wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline_s:
                said = "\n".join(p.read_text()[-500:] for p in sorted(folder.glob("*.said")))
                raise RuntimeError(f"the server did not start; it said:\n{said}") from error
            time.sleep(0.02)
