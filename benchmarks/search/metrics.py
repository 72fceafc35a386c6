"""What do the searches of one group say together?

A group is one strategy in one setting under one disturbance, over the families named. Errors are
estimate / truth - 1, over the searches that answered; refused and unanswered ones are shares of
their own, and `with_refused` counts the errors of refused numbers too. Where the truth lies outside
the rates searched there is no error, but a right or a wrong answer. Costs are over all searches
whose truth lies inside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.search import statistics
from benchmarks.search.found import Found
from benchmarks.search.statistics import Measured, bootstrapped, share

TOO_MUCH = 0.05
"""An estimate this much above the truth is dangerous."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Ratios to the truth. `agreement` has the mean difference of two searches and its limits."""

    bias: Measured
    mean_abs: Measured
    p90_abs: Measured
    too_high: Measured
    with_refused: Measured
    coverage: Measured
    width: Measured
    deviation: float
    agreement: Measured


@dataclass(frozen=True, slots=True)
class Strict:
    """Of `strict` against the truth that counts stalls, over searches that gave one."""

    given: Measured
    bias: Measured
    mean_abs: Measured
    too_high: Measured


@dataclass(frozen=True, slots=True)
class Safe:
    """Of `safe`, over all searches: a rate that is promised with 90 % to keep the SLO, stalls counted.

    `given` and `held`, at or below the strict truth, are where that is above 0. `for_none` is the
    share of those that named one where no rate keeps the SLO.
    """

    given: Measured
    held: Measured
    for_none: Measured


@dataclass(frozen=True, slots=True)
class Cost:
    """What a search takes of the clock and of the target."""

    seconds: Measured
    mean_seconds: Measured
    p90_seconds: Measured
    requests: Measured
    bad_requests: Measured
    mean_bad_requests: Measured
    overload_s: Measured
    probes: Measured


@dataclass(frozen=True, slots=True)
class Summary:
    """One row. Shares of answers are of the searches whose truth lies inside; `right` of the others.

    `broken` searches count as unanswered, and cost nothing.
    """

    searches: int
    outside: int
    answered: Measured
    refused: Measured
    unanswered: Measured
    broken: int
    right: Measured
    accuracy: Accuracy
    strict: Strict
    safe: Safe
    cost: Cost


def summary(found: Sequence[Found]) -> Summary:
    inside = [one for one in found if one.place == "inside"]
    outside = [one for one in found if one.place != "inside"]
    answers = [one.answer for one in inside]
    return Summary(
        searches=len(inside),
        outside=len(outside),
        answered=share(answers.count("answered"), len(inside)),
        refused=share(answers.count("refused"), len(inside)),
        unanswered=share(answers.count("none"), len(inside)),
        broken=sum(one.status == "broken" for one in found),
        right=share(sum(one.answer == "right" for one in outside), len(outside)),
        accuracy=_accuracy(inside),
        strict=_strict(inside),
        safe=_safe(inside),
        cost=_cost([one for one in inside if one.status != "broken"]),
    )


def _accuracy(inside: Sequence[Found]) -> Accuracy:
    answered = [one for one in inside if one.answer == "answered"]
    errors = _given(one.error for one in answered)
    refused = _given(one.error for one in inside if one.answer == "refused")
    covered = [one.covered for one in answered if one.covered is not None]
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in sorted(answered, key=lambda one: one.seed):
        if one.estimate is not None:
            ratios[one.family, one.disturbance].append(one.estimate / one.truth)
    return Accuracy(
        bias=bootstrapped(errors, statistics.median),
        mean_abs=bootstrapped(errors, statistics.mean_size),
        p90_abs=bootstrapped(errors, statistics.p90_size),
        too_high=share(sum(error > TOO_MUCH for error in errors), len(errors)),
        with_refused=bootstrapped([*errors, *refused], statistics.mean_size),
        coverage=share(sum(covered), len(covered)),
        width=bootstrapped(_given(one.width for one in answered), statistics.median),
        deviation=statistics.deviation(list(ratios.values())),
        agreement=statistics.agreement(list(ratios.values())),
    )


def _strict(inside: Sequence[Found]) -> Strict:
    asked = [one for one in inside if one.strict_truth is not None and one.answer == "answered"]
    errors = _given(one.strict_error for one in asked)
    return Strict(
        given=share(sum(one.strict is not None for one in asked), len(asked)),
        bias=bootstrapped(errors, statistics.median),
        mean_abs=bootstrapped(errors, statistics.mean_size),
        too_high=share(sum(error > TOO_MUCH for error in errors), len(errors)),
    )


def _safe(inside: Sequence[Found]) -> Safe:
    none = [one for one in inside if one.strict_truth == 0]
    held = [one.safe_held for one in inside if one.safe_held is not None]
    return Safe(
        given=share(len(held), len(inside) - len(none)),
        held=share(sum(held), len(held)),
        for_none=share(sum(bool(one.safe) for one in none), len(none)),
    )


def _cost(ran: Sequence[Found]) -> Cost:
    seconds = [one.seconds for one in ran]
    bad = [float(one.bad_requests) for one in ran]
    return Cost(
        seconds=bootstrapped(seconds, statistics.median),
        mean_seconds=bootstrapped(seconds, statistics.mean),
        p90_seconds=bootstrapped(seconds, statistics.p90),
        requests=bootstrapped([float(one.requests) for one in ran], statistics.median),
        bad_requests=bootstrapped(bad, statistics.median),
        mean_bad_requests=bootstrapped(bad, statistics.mean),
        overload_s=bootstrapped([one.overload_s for one in ran], statistics.median),
        probes=bootstrapped([float(one.probes) for one in ran], statistics.median),
    )


def _given(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
