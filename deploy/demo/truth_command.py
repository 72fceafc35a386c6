"""What are the nominal and the real capacity of a demo server for one objective?"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.objectives import parse_objective
from contract.units import format_duration
from deploy.demo.batching import Stalls, Timing
from deploy.demo.truth import ARRIVALS, NO_STALLS, Arrivals, Durations, capacity, measured, nominal

FETCH_TIMEOUT_S = 10.0
JUDGED = ("response_time", "service_time", "e2e")


class TruthError(ValueError):
    """The truth cannot be computed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """An objective, as a limit in seconds and the fraction of arrivals that may be over it."""

    text: str
    limit_s: float
    budget: float
    arrivals: Arrivals = "poisson"
    seed: int = 1
    count: int = ARRIVALS


def ask(objective: str, arrivals: Arrivals, seed: int) -> Question:
    """Read the objective.

    Raises:
        ValueError: it cannot be read, or limits something else than response times.
    """
    parsed = parse_objective(objective)
    if parsed.limit_s is None or parsed.metric not in JUDGED:
        raise TruthError(
            f"{objective!r} has no computed truth: ask for a quantile of {', '.join(JUDGED)}, "
            "such as 'p99 response_time <= 150ms'"
        )
    return Question(parsed.text, parsed.limit_s, parsed.budget, arrivals, seed)


def fetch(url: str) -> dict[str, object]:
    """What a running server measured, from its /durations.

    Raises:
        TruthError: nobody answers there, or not with durations.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise TruthError(f"{url!r} is no server: write its address, such as http://127.0.0.1:9100")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url.rstrip('/')}/durations", timeout=FETCH_TIMEOUT_S) as answer:
            return _durations_document(answer.read(), url)
    except (urllib.error.URLError, OSError) as error:
        raise TruthError(f"no durations from {url!r}: {error}") from error


def load(path: Path) -> dict[str, object]:
    """The same document from a file saved before."""
    try:
        return _durations_document(path.read_bytes(), str(path))
    except OSError as error:
        raise TruthError(f"cannot read durations from {str(path)!r}: {error.strerror}") from error


def truth(
    question: Question, timing: Timing, document: Mapping[str, object] | None
) -> dict[str, object]:
    """Capacities in requests/s: `estimate` with stalls left out, `strict` with them.

    `document` is what a server measured; its settings then stand instead of `timing`.
    """
    fail_ratio = 0.0
    if document is not None:
        timing, fail_ratio = _settings(document)
    ideal = nominal(timing.base_s, timing.per_item_s, timing.max_batch)
    if question.limit_s * ideal.peak > timing.queue_bound:
        raise TruthError(
            f"a queue bound of {timing.queue_bound} refuses requests that could still be in time, "
            f"and the simulation has none: raise it above {question.limit_s * ideal.peak:.0f}"
        )
    answer: dict[str, object] = {
        "objective": question.text,
        "arrivals": question.arrivals,
        "seed": question.seed,
        "base_s": timing.base_s,
        "per_item_s": timing.per_item_s,
        "max_batch": timing.max_batch,
        "unit": "requests/s",
        "nominal": _both(ideal, question, timing.stalls, fail_ratio),
        "measured": None,
    }
    if document is not None:
        real = _real(document, timing)
        answer["measured"] = {
            **_both(real, question, timing.stalls, fail_ratio),
            "batches": document.get("warm_batches"),
            "mean_delivery_s": float(real.delivery_s.mean()),
        }
    return answer


def words(answer: Mapping[str, object]) -> str:
    """The answer of `truth` for a person."""
    base, per_item = (format_duration(_number(answer[key])) for key in ("base_s", "per_item_s"))
    lines = [f"{answer['objective']}, {answer['arrivals']} arrivals"]
    for kind, origin in (
        (
            "nominal",
            f"batches of up to {answer['max_batch']} that take {base} + {per_item} per request",
        ),
        (
            "measured",
            "{batches} batches it really ran, answers written {mean_delivery_s:.4f} s later",
        ),
    ):
        if not isinstance(part := answer[kind], Mapping):
            continue
        strict = f" (strict {part['strict']:.1f}/s)" if part["strict"] != part["estimate"] else ""
        lines.append(f"{kind:<9} {part['estimate']:6.1f}/s{strict}  from {origin.format(**part)}")
    return "\n".join(lines)


def _both(
    durations: Durations, question: Question, stalls: Stalls, fail_ratio: float
) -> dict[str, object]:
    if fail_ratio > question.budget:
        return {"estimate": 0.0, "strict": 0.0}
    # A failed request is bad however quick it was; the others share what is left of the budget.
    budget = (question.budget - fail_ratio) / (1 - fail_ratio)

    def found(stalls: Stalls) -> float:
        return capacity(
            durations,
            question.limit_s,
            budget,
            max_batch=len(durations.by_size),
            arrivals=question.arrivals,
            seed=question.seed,
            stalls=stalls,
            count=question.count,
        )

    estimate = found(NO_STALLS)
    return {"estimate": estimate, "strict": found(stalls) if stalls.length_s else estimate}


def _durations_document(body: bytes, origin: str) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise TruthError(f"{origin!r} holds no JSON: save it from a server's /durations") from error
    if not isinstance(document, dict) or not {"settings", "by_size", "delivery"} <= document.keys():
        raise TruthError(f"{origin!r} holds no durations: save it from a server's /durations")
    return document


def _settings(document: Mapping[str, object]) -> tuple[Timing, float]:
    settings = document["settings"]
    if not isinstance(settings, Mapping):
        raise TruthError("settings in the durations must be an object")
    try:
        stalls = Stalls(_number(settings["stall_every_s"]), _number(settings["stall_s"]))
        timing = Timing(
            _number(settings["base_s"]),
            _number(settings["per_item_s"]),
            int(_number(settings["max_batch"])),
            int(_number(settings["queue_bound"])),
            stalls=stalls,
        )
        return timing, _number(settings["fail_ratio"])
    except KeyError as error:
        raise TruthError(f"the durations lack settings.{error.args[0]}") from error


def _real(document: Mapping[str, object], timing: Timing) -> Durations:
    by_size = document["by_size"]
    if not isinstance(by_size, Mapping):
        raise TruthError("by_size in the durations must be an object")
    seen_s = {int(size): _samples(summary) for size, summary in by_size.items()}
    return measured(
        seen_s,
        _samples(document["delivery"]),
        max_batch=timing.max_batch,
        per_item_s=timing.per_item_s,
    )


def _samples(summary: object) -> list[float]:
    samples = summary.get("samples_us") if isinstance(summary, Mapping) else None
    if not isinstance(samples, list):
        raise TruthError("the durations lack samples_us: save them from a server's /durations")
    return [_number(value) / 1e6 for value in samples]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TruthError(f"a number is needed in the durations, not {value!r:.40}")
    return float(value)
