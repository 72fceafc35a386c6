"""Does .venv hold exactly what the lock files say, and if not, how does it get there?

Standard library only: it runs before anything is installed. A stamp in the environment says what
it was made from, so that a second call costs nothing, a changed pin is installed into it, and
another interpreter or a moved folder makes it anew.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".tonnage-installed"
LOCK = "requirements/dev.lock"
INSTALL_TIMEOUT_S = 1800.0


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an environment was made from: two lines of a file in it."""

    interpreter: str
    requirements: str

    @classmethod
    def wanted(cls) -> Stamp:
        interpreter = f"{sys.version}\n{sys.base_prefix}\n{ROOT}".encode()
        requirements = b"".join((ROOT / name).read_bytes() for name in (LOCK, "pyproject.toml"))
        return cls(sha256(interpreter).hexdigest(), sha256(requirements).hexdigest())

    @classmethod
    def found(cls) -> Stamp | None:
        """The stamp in .venv; None when there is none or its interpreter is gone."""
        try:
            interpreter, requirements = STAMP.read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return None
        return cls(interpreter, requirements) if (VENV / "bin/python").exists() else None

    def write(self) -> None:
        STAMP.write_text(f"{self.interpreter}\n{self.requirements}\n", encoding="utf-8")


def run(step: str, *command: str | Path) -> None:
    """Do one step, saying so before and how long it took after."""
    print(f"==> {step}", flush=True)
    started_s = time.monotonic()
    try:
        subprocess.run(command, cwd=ROOT, check=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise SetupError(f"{step}: exit {error.returncode}; the lines above say why") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{step}: not done after {INSTALL_TIMEOUT_S:.0f} s") from error
    print(f"    {time.monotonic() - started_s:.1f} s", flush=True)


def make_environment() -> None:
    """A clean .venv of this interpreter; an older one made by this script is replaced."""
    if VENV.exists():
        if not (VENV / "pyvenv.cfg").is_file():
            raise SetupError(f"{VENV} is no virtual environment; move it away")
        shutil.rmtree(VENV)
    try:
        run("a virtual environment in .venv", sys.executable, "-m", "venv", VENV)
    except SetupError as error:
        advice = "if ensurepip is missing, install it (Debian: apt-get install python3-venv)"
        raise SetupError(f"{error}\n{advice}") from error


def install() -> None:
    """Install the locked requirements, then the project itself in place."""
    pip = (VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    lock = (ROOT / LOCK).read_text(encoding="utf-8")
    pins = sum(1 for line in lock.splitlines() if "==" in line and line[0].isalnum())
    run(
        f"{pins} pinned requirements of {LOCK}, about a minute",
        *pip,
        "--require-hashes",
        "-r",
        LOCK,
    )
    run("tonnage itself, in place", *pip, "--no-deps", "--no-build-isolation", "-e", ".")


def main() -> int:
    wanted, found = Stamp.wanted(), Stamp.found()
    if found == wanted:
        return 0
    started_s = time.monotonic()
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"==> Python {version}, {sys.executable}", flush=True)
    try:
        if found is None or found.interpreter != wanted.interpreter:
            make_environment()
        install()
    except SetupError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    wanted.write()
    print(f"==> installed in {time.monotonic() - started_s:.0f} s; try: make demo", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
