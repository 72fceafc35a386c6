"""How do the inner loops of the simulation run at the speed of compiled code?

Where TONNAGE_COMPILE=1 asks for it and numba is installed they are compiled, which takes half a
minute once; elsewhere they run as they stand, with the same results in some twenty times the time. Compiled code is kept beside the sources, by a hash of all of them:
a loop that calls another is compiled anew when that one changes, which numba alone does not see.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

WISH = "TONNAGE_COMPILE"

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compile a loop over arrays and numbers, where that can be done."""
    return loop if _NUMBA is None else cast("Loop", _NUMBA.njit(cache=True)(loop))


def as_written(loop: Callable[..., Any]) -> Callable[..., Any]:
    """The loop before it was compiled."""
    written: Callable[..., Any] = getattr(loop, "py_func", loop)
    return written


def _compiler() -> Any:
    """numba, told where to keep what it compiles, or None."""
    if os.environ.get(WISH) != "1" or importlib.util.find_spec("numba") is None:
        return None
    numba = importlib.import_module("numba")
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.read_bytes())
    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(here / "__pycache__" / f"compiled-{digest.hexdigest()[:16]}")
    return numba


_NUMBA = _compiler()
