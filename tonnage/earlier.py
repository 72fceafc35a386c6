"""What does an earlier result document say that a new search of the same model may begin with?

It fills the goal's `search.prior`. How much weight that has is the search's business: little.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from tonnage.errors import REJECTED, CommandError
from tonnage.goalfile import GoalFile

MOST_BYTES = 64 * 1024 * 1024


def with_prior(goal: GoalFile, path: Path) -> GoalFile:
    """The goal with the capacity of the result at `path` as its prior.

    Raises:
        CommandError: no result document, no estimate in it, another model or kind of target, or
            a goal that has a prior of its own.
    """
    result = _read(path)
    search = goal.document.get("search")
    if not isinstance(search, dict):
        return goal  # the controller says what is wrong with it
    if search.get("prior") is not None:
        raise _refusal(path, "the goal has a search.prior of its own: leave one of them out")
    then = result.get("goal")
    _same(path, then if isinstance(then, dict) else {}, goal.document)
    document = {**goal.document, "search": {**search, "prior": _prior(path, result)}}
    return replace(goal, document=document)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _refusal(path, "over 64 MiB: that is no result document")
        result = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refusal(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _refusal(path, "not JSON: give what --json of an earlier search wrote") from error
    if not isinstance(result, dict) or "capacity" not in result or "schema_version" not in result:
        raise _refusal(path, "not a result document: give what --json of an earlier search wrote")
    return result


def _prior(path: Path, result: dict[str, Any]) -> dict[str, str]:
    capacity = result.get("capacity")
    rates = capacity if isinstance(capacity, dict) else {}
    estimate, low, high = (_rate(rates.get(name)) for name in ("estimate", "low", "high"))
    if estimate is None:
        status = result.get("status")
        raise _refusal(path, f"it ended {status!r} without an estimate: search without --prior")
    prior = {"estimate": estimate}
    return prior if low is None or high is None else prior | {"low": low, "high": high}


def _rate(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return f"{value:.6f}/s" if math.isfinite(value) and value > 0 else None


def _same(path: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    for what, before, asked in (
        ("model", then.get("model"), now.get("model")),
        ("target", _kind(then.get("target")), _kind(now.get("target"))),
        ("number of replicas", then.get("replicas", 1), now.get("replicas", 1)),
    ):
        if before != asked:
            raise _refusal(
                path,
                f"its {what} was {_shown(before)}, the goal's is {_shown(asked)}: a capacity of "
                "something else is no prior",
            )


def _kind(target: object) -> str:
    first = target[0] if isinstance(target, list) and target else target
    return "simulated" if str(first).startswith("sim://") else "served"


def _shown(value: object) -> str:
    return "not named" if value is None else str(value)


def _refusal(path: Path, text: str) -> CommandError:
    return CommandError(f"--prior: {path}: {text}", REJECTED)
