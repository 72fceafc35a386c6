"""Which other load generators are there, how are they told to hurry, and what do they say?"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

CONNECTIONS = 50
OVER_S = 20.0
"""A tool may take so much longer than it was told."""
_UNITS = {"": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3}
_K6_SCRIPT = "import http from 'k6/http'; export default function () {{ http.get({url!r}); }}"


@dataclass(frozen=True, slots=True)
class Reading:
    """Requests and bytes of bodies a second; bytes are None where a tool does not say."""

    per_s: float
    bytes_per_s: float | None = None
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool: its command for a URL and a time, and how to read what it prints."""

    name: str
    command: Callable[[str, float], list[str]]
    read: Callable[[str], Reading]

    @property
    def path(self) -> str | None:
        return shutil.which(self.name)

    def run(self, url: str, seconds: float, pin: tuple[str, ...]) -> Reading:
        """Run it for so long.

        Raises:
            RuntimeError: it failed, or did not say what it did.
        """
        done = subprocess.run(
            [*pin, *self.command(url, seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds + OVER_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name} ended with {done.returncode}:\n{done.stdout[-1000:]}")
        return self.read(done.stdout)


def read_hey(text: str) -> Reading:
    """Its summary; bytes are those of bodies."""
    per_s, total_s = _number(text, r"Requests/sec:\s+([\d.]+)"), _number(text, r"Total:\s+([\d.]+)")
    data = re.search(r"Total data:\s+(\d+) bytes", text)
    statuses = re.findall(r"\[(\d+)\]\s+(\d+) responses", text)
    failed = sum(int(count) for status, count in statuses if not status.startswith("2"))
    failed += sum(
        int(count) for count in re.findall(r"^\s+\[(\d+)\]\s+[A-Z]\w+ \"", text, re.MULTILINE)
    )
    return Reading(per_s, float(data[1]) / total_s if data else None, failed)


def read_wrk(text: str) -> Reading:
    """The summary of wrk and wrk2; bytes are those of heads and bodies."""
    per_s = _number(text, r"Requests/sec:\s+([\d.]+)")
    moved = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    bytes_per_s = float(moved[1]) * _UNITS[moved[2]] if moved else None
    return Reading(per_s, bytes_per_s, int(bad[1]) if bad else 0)


def read_k6(text: str) -> Reading:
    """Its summary at the end."""
    failed = re.search(r"http_req_failed[. ]*:\s+[\d.]+%\s+.*?(\d+)", text)
    return Reading(
        _number(text, r"http_reqs[. ]*:\s+\d+\s+([\d.]+)/s"), None, int(failed[1]) if failed else 0
    )


def read_vegeta(text: str) -> Reading:
    """The JSON of `vegeta report -type=json`."""
    try:
        told = json.loads(text)
        seconds = (told["duration"] + told["wait"]) / 1e9
        failed = round(told["requests"] * (1 - told["success"]))
        return Reading(told["throughput"], told["bytes_in"]["total"] / seconds, failed)
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise RuntimeError(f"vegeta said {text[:300]!r}") from error


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"no {pattern!r} in what the tool said:\n{text[-1000:]}")
    return float(found[1])


def _wrk(url: str, seconds: float) -> list[str]:
    return ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", url]


def _wrk2(url: str, seconds: float) -> list[str]:
    return ["wrk2", *_wrk(url, seconds)[1:-1], "-R1000000", url]


def _hey(url: str, seconds: float) -> list[str]:
    return ["hey", "-z", f"{seconds:g}s", "-c", str(CONNECTIONS), url]


def _k6(url: str, seconds: float) -> list[str]:
    script = shlex.quote(_K6_SCRIPT.format(url=url))
    run = f"k6 run --quiet --no-usage-report --vus {CONNECTIONS} --duration {seconds:g}s -"
    return ["sh", "-c", f"printf %s {script} | {run}"]


def _vegeta(url: str, seconds: float) -> list[str]:
    attack = f"vegeta attack -rate=0 -max-workers={CONNECTIONS} -duration={seconds:g}s"
    target = shlex.quote(f"GET {url}")
    return ["sh", "-c", f"echo {target} | {attack} | vegeta report -type=json"]


PEERS = (
    Peer("hey", _hey, read_hey),
    Peer("wrk", _wrk, read_wrk),
    Peer("wrk2", _wrk2, read_wrk),
    Peer("k6", _k6, read_k6),
    Peer("vegeta", _vegeta, read_vegeta),
)
HEY, WRK = PEERS[0], PEERS[1]
PACKAGES = ("nginx-light", "wrk", "hey")
NEEDED = ("nginx", "hey", "taskset")


def missing() -> list[str]:
    """What cannot be done without and is not on PATH."""
    return [name for name in NEEDED if shutil.which(name) is None]


def install() -> None:
    """Install the Debian packages of server and peers.

    Raises:
        RuntimeError: apt-get failed, or there is none.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        raise RuntimeError(f"no apt-get here: install {', '.join(PACKAGES)} by other means")
    argv = [apt, "install", "--yes", "--no-install-recommends", *PACKAGES]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"apt-get ended with {done.returncode}")
