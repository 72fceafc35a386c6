"""What of a folder goes into a bundle, for a controller whose operator lets code be uploaded?

Every regular file, but none that begins with a dot, no links and no byte code.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from contract.bundle import MAX_BYTES, MAX_FILES, BundleError, packed
from tonnage.errors import REJECTED, CommandError

FIELD = "workload.bundle"
_LEFT_OUT = "__pycache__"


def bundled(folder: Path, workload: dict[str, Any]) -> dict[str, bytes]:
    """Put its hash in the place of the folder that `bundle` of the workload names.

    Gives the bundle by it; nothing where the goal names a hash already.

    Raises:
        CommandError: no such folder, or one that makes no bundle.
    """
    given = workload["bundle"]
    if not isinstance(given, str):
        return {}
    root = (folder / given).resolve()
    if not root.is_dir():
        if len(given) == hashlib.sha256().digest_size * 2:
            return {}
        raise CommandError(
            f"{FIELD}: {given!r}: no such folder; give one relative to the goal file", REJECTED
        )
    try:
        data = packed(_files(root))
    except (OSError, BundleError) as error:
        raise CommandError(f"{FIELD}: {given!r}: {error}", REJECTED) from error
    sha256 = hashlib.sha256(data).hexdigest()
    workload["bundle"] = sha256
    return {sha256: data}


def _files(root: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part == _LEFT_OUT for part in parts):
            continue
        if path.is_symlink() or not path.is_file():
            continue
        size += path.stat().st_size
        if size > MAX_BYTES or len(files) >= MAX_FILES:
            raise BundleError(
                f"a bundle has at most {MAX_FILES:,} files and {MAX_BYTES:,} bytes: name a folder "
                "with the locustfile and what it imports"
            )
        files["/".join(parts)] = path.read_bytes()
    return files
