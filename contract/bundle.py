"""What is a bundle, a folder with a locustfile in one zip, and which zip is none?

It is code, so it is taken only where the operator turned that on; and it comes from elsewhere, so
nothing in it may lie outside its folder, or grow beyond what was said.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

SWITCH = "TONNAGE_BUNDLES"
MAX_FILES = 1_000
MAX_BYTES = 64 * 1024 * 1024
"""Of all files together, unpacked."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)
"""What the library raises of bytes that are no zip, one that is cut off, or one that lies."""


class BundleError(ValueError):
    """Bytes that are no bundle; the text says what is wrong with them."""


def switched(text: str | None) -> bool:
    """Whether the operator turned bundles on.

    Raises:
        ValueError: with the fix.
    """
    said = (text or "off").lower()
    if said not in ("on", "off"):
        raise ValueError(f"{SWITCH} is {text!r}: write on or off")
    return said == "on"


def is_bundle(data: bytes) -> bool:
    """Whether the bytes begin like a zip: no data artefact does."""
    return data.startswith(_MAGIC)


def packed(files: Mapping[str, bytes]) -> bytes:
    """A bundle of `files`, by their path with slashes; the same files give the same bytes.

    Raises:
        BundleError: too many, too large, or a path that no bundle may have.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o600) << 16
            archive.writestr(entry, files[name])
    data = made.getvalue()
    unpacked(data)
    return data


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of a bundle, by their path with slashes.

    Raises:
        BundleError: it is no zip, damaged, too large, or has a link or a path that leads out of it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _checked(archive.infolist())
            return {entry.filename: _read(archive, entry) for entry in entries}
    except BundleError:
        raise
    except _DAMAGED as error:
        raise BundleError(f"it is not a whole zip: {error}") from error


def checked_user(user: str, names: Mapping[str, bytes]) -> str:
    """The locustfile of a bundle: `user`, which must be one of its Python files.

    Raises:
        BundleError: it is not.
    """
    if user in names and user.endswith(".py"):
        return user
    there = sorted(name for name in names if name.endswith(".py"))
    found = ", ".join(there[:10]) or "no Python file"
    raise BundleError(f"user {user!r} is not in it: name a file by its path there, of {found}")


def _checked(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    files = [entry for entry in entries if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise BundleError(f"it has {len(entries):,} entries, and {MAX_FILES:,} are the most")
    size = sum(entry.file_size for entry in files)
    if size > MAX_BYTES:
        raise BundleError(f"it has {size:,} bytes unpacked, and {MAX_BYTES:,} are the most")
    for entry in entries:
        fault = _fault(entry)
        if fault is not None:
            raise BundleError(f"{entry.filename!r} {fault}")
    if len({entry.filename for entry in files}) < len(files):
        raise BundleError("it has two files of one name")
    return files


def _fault(entry: zipfile.ZipInfo) -> str | None:
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or any(c in name for c in "\\:\0"):
        return "is not a path inside it"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        return "is encrypted, or packed in a way that is not deflate"
    return None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise BundleError(f"{entry.filename!r} is not as long as it says")
    return data
