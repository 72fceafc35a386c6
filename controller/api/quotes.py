"""What would a goal cost, and how is one written?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from controller.api.body import GOAL_BODY, GoalInBody
from controller.api.documented import goal_schema, problems
from controller.api.schemas.answers import QuoteShown
from controller.search.quote import quote

router = APIRouter(prefix="/api/v1", tags=["goals"])


@router.post("/quote", responses=problems(400, 403, 413), openapi_extra=GOAL_BODY)
async def give_quote(given: GoalInBody) -> QuoteShown:
    """Check a goal and price it, without running it."""
    return QuoteShown.model_validate(quote(given.goal))


@router.get("/goal.schema.json", responses=problems())
async def schema() -> dict[str, Any]:
    """JSON Schema of a goal file, for editors."""
    return goal_schema()
