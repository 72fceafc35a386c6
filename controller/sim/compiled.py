"""How do the inner loops of the simulation run at the speed of compiled code?

Where `compile_loops` is called, or TONNAGE_COMPILE=1 asks for it, and numba is installed, they are
compiled: some twenty times as fast, after half a minute the first time. Elsewhere they run as they
stand, with the same results. Compiled code is kept beside the sources, by a hash of all of them: a
loop that calls another is compiled anew when that one changes, which numba alone does not see.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

WISH = "TONNAGE_COMPILE"

Loop = TypeVar("Loop", bound=Callable[..., Any])

_LOOPS: list[Callable[..., Any]] = []
_PACKAGE = __name__.rpartition(".")[0]


def compiled(loop: Loop) -> Loop:
    """Mark a loop over arrays and numbers as one that can be compiled."""
    _LOOPS.append(loop)
    return loop


def compile_loops() -> bool:
    """Compile all loops of this package; gives whether that can be done here."""
    if importlib.util.find_spec("numba") is None:
        return False
    numba = importlib.import_module("numba")
    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(_folder())
    importlib.import_module(f"{_PACKAGE}.run")  # and with it all others
    quick = {id(loop): numba.njit(cache=True)(loop) for loop in _LOOPS}
    _put(quick)
    return True


def as_written() -> None:
    """Undo `compile_loops`."""
    _put({})


def _put(instead: dict[int, Callable[..., Any]]) -> None:
    """Let every loop be what is given instead of it, wherever the package names it."""
    written = {id(loop): loop for loop in _LOOPS}
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{_PACKAGE}.") and module is not None:
            for key, value in list(vars(module).items()):
                loop = getattr(value, "py_func", value)
                if id(loop) in written:
                    setattr(module, key, instead.get(id(loop), loop))


def _folder() -> Path:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.read_bytes())
    return here / "__pycache__" / f"compiled-{digest.hexdigest()[:16]}"
