"""Which arrivals does a line of the SLO call bad, and how many of them does it allow?

One line is one objective:

    [REQUEST NAME:] pQUANTILE METRIC <= DURATION
    [REQUEST NAME:] error_ratio <= PERCENT
    [REQUEST NAME:] goodput >= PERCENT
"""

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from contract.units import (
    Seconds,
    UnitError,
    format_duration,
    format_ratio,
    parse_duration,
    parse_ratio,
)

Metric = Literal["response_time", "service_time", "ttft", "tpot", "itl", "e2e"]
Kind = Literal["quantile", "error_ratio", "goodput"]

METRICS: tuple[Metric, ...] = get_args(Metric)

_OPERATOR = re.compile(r"<=|>=|==|≤|≥|<|>|=")
_QUANTILE = re.compile(r"p(\d+(?:\.\d+)?)", re.ASCII)
_QUANTILE_WORDS = 2
_SHAPES = "'p99 response_time <= 150ms', 'error_ratio <= 0.1%' or 'goodput >= 99%'"


class ObjectiveError(ValueError):
    """A line of the SLO cannot be read or judged."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One line of the SLO; `budget` is the fraction of arrivals that may be bad.

    `metric`, `quantile` (a part of one) and `limit_s` are set for kind `quantile` alone;
    `request_name` narrows the objective to requests of that name. `text` is canonical:
    `parse_objective(objective.text) == objective`.
    """

    text: str
    kind: Kind
    metric: Metric | None
    quantile: float | None
    limit_s: Seconds | None
    request_name: str | None
    budget: float


def parse_objective(text: str) -> Objective:
    """Read one line of the SLO.

    Raises:
        ObjectiveError: the line cannot be read; the message names it and what would be right.
    """
    operators = list(_OPERATOR.finditer(text)) if _is_text(text) else []
    if not operators:
        raise ObjectiveError(f"{text!r} is not an objective: write {_SHAPES}")
    operator = operators[-1]
    request_name, subject = _split_name(text, text[: operator.start()])
    bound = text[operator.end() :].strip()
    words = subject.split()
    if words in (["error_ratio"], ["goodput"]):
        return _parse_share(text, request_name, words[0], (operator[0], bound))
    return _parse_quantile(text, request_name, words, (operator[0], bound))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _split_name(text: str, left: str) -> tuple[str | None, str]:
    name, colon, subject = left.rpartition(":")
    if colon and not name.strip():
        raise ObjectiveError(f"{text!r} has no request name: write one before the ':', or drop it")
    return (name.strip() if colon else None), subject.strip()


def _parse_share(
    text: str, request_name: str | None, kind: str, bound: tuple[str, str]
) -> Objective:
    operator, percent = bound
    _require_operator(text, operator, ">=" if kind == "goodput" else "<=")
    try:
        ratio = parse_ratio(percent)
    except UnitError as error:
        raise ObjectiveError(f"{text!r}: {error}") from error
    written = _exact(format_ratio(ratio), percent, parse_ratio(format_ratio(ratio)) == ratio)
    if kind == "goodput":
        if ratio == 0:
            raise ObjectiveError(f"{text!r} asks for nothing: write more than 0%, such as 99%")
        budget = float(1 - Decimal(repr(ratio)))
        canonical = f"{_prefix(request_name)}goodput >= {written}"
        return Objective(canonical, "goodput", None, None, None, request_name, budget)
    if ratio == 1:
        raise ObjectiveError(f"{text!r} allows every error: write less than 100%, such as 0.1%")
    canonical = f"{_prefix(request_name)}error_ratio <= {written}"
    return Objective(canonical, "error_ratio", None, None, None, request_name, ratio)


def _parse_quantile(
    text: str, request_name: str | None, words: list[str], bound: tuple[str, str]
) -> Objective:
    if len(words) != _QUANTILE_WORDS:
        raise ObjectiveError(f"{text!r} is not an objective: {_missing_word(words)}")
    percentile = _parse_percentile(text, words[0])
    metric = _parse_metric(text, words[1])
    operator, duration = bound
    _require_operator(text, operator, "<=")
    try:
        limit_s = parse_duration(duration)
    except UnitError as error:
        raise ObjectiveError(f"{text!r}: {error}") from error
    if not limit_s > 0:
        raise ObjectiveError(f"{text!r} can never be met: write a limit above zero, such as 150ms")
    written = format_duration(limit_s)
    written = _exact(written, duration, parse_duration(written) == limit_s)
    return Objective(
        text=f"{_prefix(request_name)}p{percentile:f} {metric} <= {written}",
        kind="quantile",
        metric=metric,
        quantile=float(percentile / 100),
        limit_s=limit_s,
        request_name=request_name,
        budget=float(1 - percentile / 100),
    )


def _parse_percentile(text: str, word: str) -> Decimal:
    found = _QUANTILE.fullmatch(word)
    if found is None:
        raise ObjectiveError(
            f"{text!r}: {word!r} is not a percentile: write p and a number, such as p99 or p99.9"
        )
    percentile = Decimal(found[1])
    if not 0 < percentile < 100:
        raise ObjectiveError(
            f"{text!r}: {word!r} is not a percentile: write one between p0 and p100, such as p99"
        )
    plain = f"{percentile:f}"
    return Decimal(plain.rstrip("0").rstrip(".") if "." in plain else plain)


def _parse_metric(text: str, word: str) -> Metric:
    for metric in METRICS:
        if word == metric:
            return metric
    near = difflib.get_close_matches(word.lower(), METRICS, n=1, cutoff=0.5)
    fix = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(METRICS)}"
    raise ObjectiveError(f"{text!r}: {word!r} is not a metric: {fix}")


def _missing_word(words: list[str]) -> str:
    known = ["error_ratio", "goodput"]
    near = difflib.get_close_matches(words[0], known, n=1) if len(words) == 1 else []
    if near:
        return f"did you mean {near[0]!r}?"
    if len(words) == 1 and words[0] in METRICS:
        return f"name its percentile, such as p99 {words[0]}"
    return f"write {_SHAPES}"


def _require_operator(text: str, written: str, right: str) -> None:
    if written != right:
        raise ObjectiveError(f"{text!r}: {written!r} does not fit here: write {right!r}")


def _prefix(request_name: str | None) -> str:
    return "" if request_name is None else f"{request_name}: "


def _exact(canonical: str, written: str, is_exact: bool) -> str:
    return canonical if is_exact else "".join(written.split())
