"""Which goal does a request carry, and are its recording and its bundle whole?"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from contract.bundle import SWITCH, BundleError, checked_user, is_bundle, unpacked
from contract.recording import RecordingError, parse_recording
from controller.api.schemas.faults import goal_of
from controller.api.schemas.replaying import FIELD, absent, replayed, with_own_rate
from controller.api.services import Given, Services
from controller.errors import Conflict, Fault, NotAllowed
from controller.search.goal import Goal

GOAL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GoalDocument"}}},
    }
}
"""For the OpenAPI of routes that take a goal: they read it themselves, to report every fault."""


@dataclass(frozen=True, slots=True)
class GivenGoal:
    """A goal that may run here, and what it came as: canonical JSON text."""

    goal: Goal
    document: str


async def _given_goal(request: Request, services: Given) -> GivenGoal:
    body = await request.body()
    try:
        document = json.loads(body)
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
        text.encode()  # lone surrogates are no text
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is not JSON: {error}.") from error
    faults = (
        *await _recording_faults(document, services),
        *await _bundle_faults(document, services),
    )
    rated, more = await _replayed(document, services)
    goal = await asyncio.to_thread(goal_of, rated, services.rules, (*faults, *more))  # reads files
    return GivenGoal(goal, text)


GoalInBody = Annotated[GivenGoal, Depends(_given_goal)]


async def stored(request: Request, services: Services, sha256: str) -> int:
    """Keep the body as an artefact; its size in bytes.

    Raises:
        TooLarge: over the limit (the guard counts).
        NotAllowed: it is code, and the operator takes none.
        Conflict: the bytes have another hash.
    """
    chunks, digest = bytearray(), hashlib.sha256()
    async for chunk in request.stream():
        digest.update(chunk)
        chunks += chunk
    if digest.hexdigest() != sha256:
        raise Conflict(f"the bytes have the sha256 {digest.hexdigest()}, not {sha256}")
    if is_bundle(bytes(chunks[:4])) and not services.rules.bundles:
        raise NotAllowed(
            "The bytes are a zip, hence code, and this controller takes none: set "
            f"{SWITCH}=on for it and for every worker."
        )
    await services.store.put_artefact(sha256, bytes(chunks))
    return len(chunks)


async def _replayed(document: Any, services: Services) -> tuple[Any, tuple[Fault, ...]]:
    """The document with the rate that its recorded times give it, and what is wrong with them."""
    law = replayed(document)
    if law is None:
        return document, ()
    data = await services.store.artefact(law.times)
    if data is not None:
        rated, _, faults = await asyncio.to_thread(with_own_rate, document, law, data)
        return rated, faults
    fix = f"no such artefact: upload it with PUT /api/v1/artefacts/{law.times}"
    is_hash = len(law.times) == hashlib.sha256().digest_size * 2
    return absent(document, law), (Fault(FIELD, law.times, fix),) if is_hash else ()


async def _recording_faults(document: Any, services: Services) -> tuple[Fault, ...]:
    return await _artefact_faults(document, "requests", services, _recording)


async def _bundle_faults(document: Any, services: Services) -> tuple[Fault, ...]:
    if not services.rules.bundles:
        return ()  # the document's own fault
    return await _artefact_faults(document, "bundle", services, _bundled)


async def _artefact_faults(
    document: Any, key: str, services: Services, check: Callable[[bytes, Any], object]
) -> tuple[Fault, ...]:
    """What is wrong with the artefact that `key` of the workload names; `check` raises it."""
    workload = document.get("workload") if isinstance(document, dict) else None
    sha256 = workload.get(key) if isinstance(workload, dict) else None
    if not isinstance(sha256, str):
        return ()
    data = await services.store.artefact(sha256)
    if data is None:
        if len(sha256) != hashlib.sha256().digest_size * 2:
            return ()  # not a hash at all: the document's own fault
        fix = f"no such artefact: upload it with PUT /api/v1/artefacts/{sha256}"
        return (Fault(f"workload.{key}", sha256, fix),)
    try:
        await asyncio.to_thread(check, data, workload)
    except (RecordingError, BundleError) as error:
        return (Fault(f"workload.{key}", sha256, str(error)),)
    return ()


def _recording(data: bytes, _: Any) -> object:
    return parse_recording(data)


def _bundled(data: bytes, workload: Any) -> object:
    return checked_user(str(workload.get("user", "plain_http")), unpacked(data))
