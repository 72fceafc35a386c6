"""Which field of a document is wrong, what stood there, and what would be right?"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from controller.api.schemas.goal import GoalDocument
from controller.api.schemas.headers import is_secret
from controller.api.schemas.reading import HIDDEN, Rules
from controller.errors import Fault, GoalRefused
from controller.search.goal import Goal, GoalInvalid

_SHOWN_LENGTH = 120
_WHOLE = "(the goal)"

_FIXES: dict[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda _: "is not text: put it in quotes",
    "string_too_short": lambda _: "is empty: write at least one character",
    "string_too_long": lambda ctx: f"is too long: write at most {ctx['max_length']} characters",
    "int_type": lambda _: "is not a whole number: write one without quotes",
    "int_from_float": lambda _: "is not a whole number",
    "greater_than_equal": lambda ctx: f"is too small: write at least {ctx['ge']}",
    "less_than_equal": lambda ctx: f"is too large: write at most {ctx['le']}",
    "less_than": lambda ctx: f"is too large: write less than {ctx['lt']}",
    "list_type": lambda _: "is not a list: write one entry a line, each after a dash",
    "too_short": lambda _: "is empty: give at least one",
    "dict_type": lambda _: "is not a mapping: write name: value",
    "model_type": lambda _: "is not a mapping: write name: value",
    "model_attributes_type": lambda _: "is not a mapping: write name: value",
}


def goal_of(document: object, rules: Rules, more: tuple[Fault, ...] = ()) -> Goal:
    """The goal in `document`, decoded JSON or YAML; `more` are faults found elsewhere.

    Raises:
        GoalRefused: with every fault of the document, and `more`.
    """
    try:
        goal = GoalDocument.model_validate(document, context=rules).to_goal()
    except ValidationError as error:
        raise GoalRefused((*_faults(error), *more)) from error
    except GoalInvalid as error:
        raise GoalRefused((Fault(error.field, "", error.message), *more)) from error
    if more:
        raise GoalRefused(more)
    return goal


def _faults(error: ValidationError) -> Iterator[Fault]:
    for details in error.errors(include_url=False):
        if details["type"] == "goal":
            yield from details["ctx"]["faults"]
        else:
            yield _fault(details)


def _fault(details: ErrorDetails) -> Fault:
    path, given = details["loc"], details["input"]
    field = ".".join(str(part) for part in path) or _WHOLE
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return Fault(field, _shown(field, given), _unknown(path))
        case "missing":
            return Fault(field, "(missing)", _missing(path))
        case "value_error":
            return Fault(field, _shown(field, given), _without_value(str(context["error"]), given))
        case kind:
            fix = _FIXES[kind](context) if kind in _FIXES else details["msg"]
            return Fault(field, _shown(field, given), fix)


def _shown(field: str, given: object) -> str:
    if is_secret(field) or isinstance(given, dict | list):
        return HIDDEN
    text = given if isinstance(given, str) else json.dumps(given, default=str)
    if "://" in text and "@" in text:  # user and password of a URL
        return HIDDEN
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def _without_value(message: str, given: object) -> str:
    for prefix in (f"{given!r}: ", f"{given!r} "):
        if message.startswith(prefix):
            return message.removeprefix(prefix)
    return message


def _unknown(path: tuple[int | str, ...]) -> str:
    name = str(path[-1])
    known = [_written(key, info) for key, info in _model_at(path[:-1]).model_fields.items()]
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else f"known here are {', '.join(known)}"
    return f"unknown field {name!r}: {fix}"


def _missing(path: tuple[int | str, ...]) -> str:
    examples = {
        "target": "target: http://127.0.0.1:9100",
        "slo": "slo: [p99 response_time <= 150ms]",
        "search": "search: {from: 10/s, to: 2000/s}",
    }
    return f"write {examples.get(str(path[-1]), str(path[-1]))}"


def _model_at(path: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = GoalDocument
    for part in path:
        named = {_written(key, info): info for key, info in model.model_fields.items()}
        inner = named[str(part)].annotation
        candidates = [inner, *get_args(inner)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return model


def _written(key: str, info: FieldInfo) -> str:
    return info.alias or key
