"""How does a goal file become the document a controller accepts?

Paths in it are relative to the file. A user that is a path goes along as an absolute one
with the hash of that file, and is not uploaded; a recording and an authority's certificates are
uploaded as artefacts and replaced by their hash. So is the folder of a `bundle`, in one zip, for a
controller that takes code. What the fields mean is the controller's business; it answers with every fault.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tonnage.bundling import bundled
from tonnage.errors import REJECTED, CommandError

MAX_GOAL_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class GoalFile:
    """A goal as read. `artefacts` are the files to upload, by sha256; `bundles` zips of folders."""

    path: Path
    document: dict[str, Any]
    artefacts: dict[str, Path]
    bundles: dict[str, bytes] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Changes when anything of the goal does."""
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()

    def in_its_words(self, text: str) -> str:
        """`text` of a controller, with the file's name where it speaks of an artefact's hash."""
        for sha256, file in self.artefacts.items():
            text = text.replace(sha256, str(file))
        return text


def read(path: Path) -> GoalFile:
    """The goal in a YAML or JSON file.

    Raises:
        CommandError: no such file, not YAML, not a mapping, a recording that is not there.
    """
    try:
        if path.stat().st_size > MAX_GOAL_BYTES:
            raise CommandError(f"{path}: over 1 MiB; a goal is a page of YAML", REJECTED)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}", REJECTED) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 text: {error.reason}", REJECTED) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: not YAML: {_one_line(error)}", REJECTED) from error
    if not isinstance(document, dict):
        raise CommandError(
            f"{path}: a goal is a mapping with name, target, slo and search; see the README",
            REJECTED,
        )
    return _resolve(path, document)


def _resolve(path: Path, document: dict[str, Any]) -> GoalFile:
    artefacts: dict[str, Path] = {}
    bundles: dict[str, bytes] = {}
    workload = document.get("workload")
    if isinstance(workload, dict):
        workload = dict(workload)
        if "bundle" in workload:
            bundles |= bundled(path.parent, workload)
        else:
            _name_user(path.parent, workload)
        artefacts |= _to_artefact(path.parent, workload, "workload.requests", "JSONL")
        arrivals = workload.get("arrivals")
        if isinstance(arrivals, dict):
            arrivals = workload["arrivals"] = dict(arrivals)
            artefacts |= _to_artefact(path.parent, arrivals, "workload.arrivals.replay", "JSONL")
        connections = workload.get("connections")
        if isinstance(connections, dict):
            connections = workload["connections"] = dict(connections)
            artefacts |= _to_artefact(path.parent, connections, "workload.connections.ca", "PEM")
        document = {**document, "workload": workload}
    return GoalFile(path, document, artefacts, bundles)


def _name_user(folder: Path, workload: dict[str, Any]) -> None:
    """Make a user that is a path absolute, and say which file it is here."""
    user = workload.get("user")
    if not isinstance(user, str) or not (user.endswith(".py") or "/" in user):
        return
    file = (folder / user).resolve()
    workload["user"] = str(file)
    with contextlib.suppress(OSError):  # then only the workers have it
        workload.setdefault("user_sha256", hashlib.sha256(file.read_bytes()).hexdigest())


def _to_artefact(folder: Path, part: dict[str, Any], field: str, kind: str) -> dict[str, Path]:
    """Put its hash in the place of the file that `part` names in `field`; gives the file by it."""
    key = field.rpartition(".")[2]
    given = part.get(key)
    if not isinstance(given, str) or _is_sha256(given):
        return {}
    file = (folder / given).resolve()
    try:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise CommandError(
            f"{field}: {given!r}: {error.strerror or error}; "
            f"give a {kind} file relative to the goal file",
            REJECTED,
        ) from error
    part[key] = sha256
    return {sha256: file}


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
