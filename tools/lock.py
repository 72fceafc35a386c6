"""Which exact releases, with which hashes, does a fresh machine install?

Resolves pyproject.toml for every supported Python, system and processor at once and writes
requirements/dev.lock and requirements/runtime.lock. Existing pins stay unless --upgrade is
given. Needs uv. A lock that names an index or a machine is refused.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOWEST_PYTHON = "3.11"
RESOLVE_TIMEOUT_S = 600.0
MACHINE_TRACE = re.compile(
    r"://|(?<![\w.])/(?:home|root|tmp|work|opt|usr|Users)/|--(?:extra-)?index-url"
)


def resolve(output: str, *arguments: str) -> None:
    """Write one lock; `arguments` go to uv as they are."""
    command = [
        *os.environ.get("UV", "uv").split(),
        "pip",
        "compile",
        *arguments,
        "--universal",
        "--fork-strategy=fewest",
        f"--python-version={LOWEST_PYTHON}",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-header",
        "--quiet",
        f"--output-file={output}",
    ]
    subprocess.run(command, cwd=ROOT, check=True, timeout=RESOLVE_TIMEOUT_S)


def machine_traces(lock: str) -> list[str]:
    """Lines of a lock that name a host, an index or a folder of this machine."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return [f"{lock}: {line.strip()}" for line in lines if MACHINE_TRACE.search(line)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Pin every dependency with its hashes.")
    parser.add_argument("--upgrade", action="store_true", help="move pins to the newest releases")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    sources = ("pyproject.toml", "requirements/build.in", "--extra=postgres")
    dev, runtime = "requirements/dev.lock", "requirements/runtime.lock"
    try:
        resolve(dev, *sources, "--extra=dev", *upgrade)
        resolve(runtime, *sources, f"--constraint={dev}")
    except FileNotFoundError:
        print("lock: uv was not found; install it (pip install uv) or set UV.", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"lock: uv could not resolve (exit {error.returncode}).", file=sys.stderr)
        return 1
    traces = machine_traces(dev) + machine_traces(runtime)
    for trace in traces:
        print(f"lock: names a machine or an index: {trace}", file=sys.stderr)
    return 1 if traces else 0


if __name__ == "__main__":
    sys.exit(main())
