"""Where does the code of a bundle lie while its run lasts, and when may it come here at all?

Only where the operator of this worker turned it on, and only on the word of a controller with the
fleet key: a bundle runs with all the rights of this process.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from contract.bundle import SWITCH, BundleError, checked_user, unpacked
from contract.signing import KEY_VARIABLE
from workers.order import CannotPrepare

log = logging.getLogger(__name__)


class Bundles:
    """At most one bundle at a time, in a folder that nobody else can read.

    `on`: the operator wants them; `signed`: this worker obeys its fleet's controller alone.
    """

    def __init__(self, *, on: bool = False, signed: bool = False) -> None:
        self._on = on
        self._signed = signed
        self._folder: Path | None = None

    def refusal(self) -> str | None:
        """Why no bundle is taken; None: one is."""
        if not self._on:
            return (
                "this worker takes no bundles: install the locustfile on it, or start it with "
                f"{SWITCH}=on if whoever may start runs may also run code here"
            )
        if not self._signed:
            return f"a bundle is taken from a signed message only: set {KEY_VARIABLE} as well"
        return None

    def unpack(self, data: bytes, user: str) -> Path:
        """Lay the bundle out, in place of the one before; the path of its locustfile `user`.

        Raises:
            CannotPrepare: none is taken here, or this is none.
        """
        refused = self.refusal()
        if refused is not None:
            raise CannotPrepare(refused)
        self.clear()
        try:
            files = unpacked(data)
            checked_user(user, files)
        except BundleError as error:
            raise CannotPrepare(f"the bundle cannot be used: {error}") from error
        self._folder = Path(tempfile.mkdtemp(prefix="tonnage-bundle-")).resolve()
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(content)
        log.info("a bundle of %d files lies in %s", len(files), self._folder)
        return self._folder / user

    def clear(self) -> None:
        """Delete the bundle and forget what was imported from it. Idempotent."""
        folder, self._folder = self._folder, None
        if folder is None:
            return
        inside = f"{folder}{os.sep}"
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(inside):
                del sys.modules[name]
        sys.path[:] = [entry for entry in sys.path if not f"{entry}{os.sep}".startswith(inside)]
        shutil.rmtree(folder, ignore_errors=True)
        importlib.invalidate_caches()
