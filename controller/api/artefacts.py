"""How does data get to the workers? Uploaded once under its hash; code only where that is on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from controller.api.body import stored
from controller.api.documented import problems
from controller.api.schemas.answers import ArtefactShown
from controller.api.services import Given

router = APIRouter(prefix="/api/v1/artefacts", tags=["artefacts"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put("/{sha256}", responses=problems(403, 409, 413), openapi_extra=_BODY)
async def put(
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], request: Request, services: Given
) -> ArtefactShown:
    """Store data under its sha256, in hexadecimal; again and again is the same as once."""
    return ArtefactShown(sha256=sha256, size_bytes=await stored(request, services, sha256))
