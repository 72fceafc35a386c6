"""Does .venv hold exactly what the lock files say, and if not, how does it get there?

Standard library only: it runs before anything is installed. A digest of the lock, of
pyproject.toml, of the interpreter and of the folder is left in the environment as a stamp, so
that a second call costs nothing and a changed pin, or a moved folder, installs again.
"""

import sys

LOWEST_PYTHON = (3, 11)

if sys.version_info < LOWEST_PYTHON:
    sys.exit(
        "tonnage needs Python 3.11 or newer; %s is %d.%d.\n"
        "Name another one: make install PYTHON=/path/to/python3.11"
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".tonnage-installed"
LOCK = "requirements/dev.lock"
INSTALL_TIMEOUT_S = 1800.0


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def fingerprint() -> str:
    """Digest of everything the environment depends on."""
    digest = hashlib.sha256()
    for name in (LOCK, "pyproject.toml", "tools/setup.py"):
        digest.update((ROOT / name).read_bytes())
    digest.update(f"{sys.version}\n{sys.base_prefix}\n{ROOT}".encode())
    return digest.hexdigest()


def is_current(wanted: str) -> bool:
    """True when the stamp matches and the interpreter behind it still exists."""
    try:
        return STAMP.read_text(encoding="utf-8") == wanted and (VENV / "bin/python").exists()
    except OSError:
        return False


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
    run(f"{pins} pinned requirements of {LOCK}", *pip, "--require-hashes", "-r", LOCK)
    run("tonnage itself, in place", *pip, "--no-deps", "--no-build-isolation", "-e", ".")


def main() -> int:
    wanted = fingerprint()
    if is_current(wanted):
        return 0
    started_s = time.monotonic()
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"==> Python {version}, {sys.executable}", flush=True)
    try:
        make_environment()
        install()
    except SetupError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(wanted, encoding="utf-8")
    print(f"==> installed in {time.monotonic() - started_s:.0f} s; try: make demo", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
