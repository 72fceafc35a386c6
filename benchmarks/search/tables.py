"""How do the results read as tables of a page?

Percentages are of the truth or of searches; in brackets the 95 % interval of the number itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from benchmarks.search.curves import Equal, Silent, cheapest
from benchmarks.search.families import FAMILIES
from benchmarks.search.found import Found
from benchmarks.search.goals import COLUMNS, LOOSE, OURS, Held, held, of_column
from benchmarks.search.metrics import Summary, summary
from benchmarks.search.statistics import Measured
from benchmarks.search.tuning import tuned

NONE = "–"
MET = {True: "met", False: "**missed**", None: ""}
HEADS = {
    "clean": "clean",
    "ou3": "3 % noise",
    "spikes": "spikes",
    "cold": "cold start",
    "all": "all",
    LOOSE: "loose SLO",
}


def percent(value: float, digits: int = 1) -> str:
    return NONE if math.isnan(value) else f"{100 * value:.{digits}f} %"


def signed(value: float) -> str:
    return NONE if math.isnan(value) else f"{100 * value:+.1f} %"


def number(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.0f}"


def with_interval(
    measured: Measured, text: Callable[[float], str] = percent, brief: bool = True
) -> str:
    """The number and its interval, the unit once."""
    if not measured.known or math.isnan(measured.low):
        return text(measured.value)
    ends = (text(measured.low), text(measured.high))
    low, high = (end.removesuffix(" %") for end in ends) if brief else ends
    return f"{text(measured.value)} ({low}–{high})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def goals(found: Sequence[Found], strategy: str = OURS) -> str:
    """Each goal beside what was measured."""
    rows: dict[str, dict[str, Held]] = defaultdict(dict)
    for one in held(found, strategy):
        rows[one.what][one.column] = one
    head = ["goal", *(HEADS[column] for column in COLUMNS)]
    body = [[what, *(_goal(by.get(column)) for column in COLUMNS)] for what, by in rows.items()]
    body += [_equal_accuracy(found, group, which) for group in ("A", "B") for which in (0, 1)]
    sizes = [len(of_column(_default(found, strategy), column)) for column in COLUMNS]
    return table(head, [*body, ["searches", *(f"{size:,}" for size in sizes)]])


def _goal(one: Held | None) -> str:
    if one is None or not one.measured.known:
        return NONE
    counted = one.what.startswith("median")
    value = with_interval(one.measured, number if counted else percent)
    return f"{value}; {one.goal} {MET[one.met]}" if one.goal else value


def _equal_accuracy(found: Sequence[Found], group: str, which: int) -> list[str]:
    what = ("seconds", "bad requests")[which]
    cells = [_equal(cheapest(of_column(found, column, group)), which) for column in COLUMNS]
    return [f"{what} of the cheapest baseline of equal accuracy, {group}", *cells]


def _equal(found: Equal, which: int) -> str:
    if found is None:
        return NONE
    if isinstance(found, Silent):
        silent = f", leave {percent(found.unanswered)} unanswered" if found.unanswered else ""
        return f"not judged: we refuse {percent(found.refused)}{silent} {MET[found.met]}"
    one = found[which]
    met = f"; ≥ {one.goal:g} × {MET[one.met] or 'not judged'}"
    if not one.curves:
        said = "no curve: one setting run" if one.single else "no curve: no setting is comparable"
    elif one.strategy:
        said = f"{one.times:.1f} × `{one.strategy}`"
    else:
        said = f"none of {one.curves} curves is as accurate"
    if one.bound_by and one.bound < one.times:
        said += f", at most {one.bound:.1f} × `{one.bound_by}`, of one setting"
    return said + met


def _default(found: Sequence[Found], strategy: str) -> list[Found]:
    return [one for one in found if one.strategy == strategy and one.setting == "default"]


STRATEGY_HEAD = (
    "strategy",
    "setting",
    "searches",
    "mean abs. error",
    "p90",
    "bias",
    "over 5 %",
    "cover",
    "width",
    "refused",
    "none",
    "with refused",
    "seconds (p90)",
    "requests",
    "bad",
    "overload s",
    "probes",
)


def strategies(found: Sequence[Found], column: str, group: str) -> str:
    """Every strategy and setting in one column, on one group of families; the most accurate first.

    The setting that was the best on families A says so.
    """
    rows = _by(of_column(found, column, group), lambda one: (one.strategy, one.setting))
    ordered = sorted(rows.items(), key=lambda row: _last_if_unknown(row[1].accuracy.mean_abs))
    best = tuned()
    return table(
        STRATEGY_HEAD,
        [
            [f"`{name}`", _setting(setting, best.get(name)), *_cells(row)]
            for (name, setting), row in ordered
        ],
    )


def _setting(setting: str, best: str | None) -> str:
    return f"{setting} (best)" if setting == best else setting


def _last_if_unknown(measured: Measured) -> float:
    return measured.value if measured.known else math.inf


def _cells(row: Summary) -> list[str]:
    accuracy, cost = row.accuracy, row.cost
    return [
        number(row.searches),
        with_interval(accuracy.mean_abs),
        percent(accuracy.p90_abs.value),
        signed(accuracy.bias.value),
        with_interval(accuracy.too_high),
        with_interval(accuracy.coverage, lambda value: percent(value, 0)),
        percent(accuracy.width.value),
        percent(row.refused.value),
        percent(row.unanswered.value),
        percent(accuracy.with_refused.value),
        f"{number(cost.seconds.value)} ({number(cost.p90_seconds.value)})",
        number(cost.requests.value),
        number(cost.bad_requests.value),
        number(cost.overload_s.value),
        number(cost.probes.value),
    ]


def families(found: Sequence[Found], strategy: str = OURS) -> str:
    """Mean absolute error, coverage and median seconds of each family and disturbance."""
    columns = [column for column in COLUMNS if column != LOOSE]
    own = _default(found, strategy)
    rows = []
    for name, family in FAMILIES.items():
        cells = []
        for column in columns:
            here = [one for one in own if (one.family, one.disturbance) == (name, column)]
            cells.append(_family_cell(summary(here)) if here else NONE)
        if any(cell != NONE for cell in cells):
            rows.append([f"{name} ({family.group})", *cells])
    return table(["family", *(HEADS[column] for column in columns)], rows)


def _family_cell(row: Summary) -> str:
    if row.outside:
        return f"{percent(row.right.value, 0)} right"
    accuracy = row.accuracy
    parts = [percent(accuracy.mean_abs.value), percent(accuracy.coverage.value, 0)]
    return " · ".join([*parts, f"{number(row.cost.seconds.value)} s"])


def scenarios(found: Sequence[Found], strategy: str = OURS) -> str:
    """Disturbances outside the table of goals, over all families they were run on; "" for none."""
    rows = _by(
        [one for one in _default(found, strategy) if one.disturbance not in COLUMNS],
        lambda one: (one.disturbance, FAMILIES[one.family].group),
    )
    body = [[*key, *_cells(row)] for key, row in sorted(rows.items())]
    return table(("disturbance", "families", *STRATEGY_HEAD[2:]), body) if body else ""


def outside(found: Sequence[Found]) -> str:
    """Where the truth lies above `to` or below `from`: how often a strategy says so."""
    beyond = [one for one in found if one.place != "inside" and one.setting == "default"]
    rows = _by(beyond, lambda one: (one.strategy, one.place))
    body = [
        [f"`{name}`", place, number(row.outside), with_interval(row.right)]
        for (name, place), row in sorted(rows.items())
    ]
    return table(("strategy", "truth", "searches", "says so"), body)


def strict(found: Sequence[Found], strategy: str = OURS) -> str:
    """`strict` against the truth that counts stalls, where there are stalls."""
    stalled = [one for one in _default(found, strategy) if one.strict_truth is not None]
    rows = _by(
        [one for one in stalled if one.place == "inside"],
        lambda one: (one.disturbance, FAMILIES[one.family].group),
    )
    body = [
        [
            key[0],
            key[1],
            number(row.searches),
            percent(row.strict.given.value),
            with_interval(row.strict.mean_abs),
            signed(row.strict.bias.value),
            with_interval(row.strict.too_high),
        ]
        for key, row in sorted(rows.items())
    ]
    head = ("disturbance", "families", "searches", "given", "mean abs. error", "bias", "over 5 %")
    return table(head, body)


def safe(found: Sequence[Found], strategy: str = OURS) -> str:
    """`safe` against the strict truth; where there are no stalls, that is the truth."""
    rows = _by(
        [one for one in _default(found, strategy) if one.place == "inside"],
        lambda one: (one.disturbance, FAMILIES[one.family].group),
    )
    body = [
        [
            *key,
            number(row.searches),
            percent(row.safe.given.value),
            with_interval(row.safe.held),
            with_interval(row.safe.for_none),
        ]
        for key, row in sorted(rows.items())
    ]
    shares = ("given", "at or below the strict truth (nominal 90 %)", "given where no rate is safe")
    return table(("disturbance", "families", "searches", *shares), body)


def repeatability(found: Sequence[Found]) -> str:
    """How far two searches of the same target differ."""
    known = [one for one in found if one.setting == "default" and one.place == "inside"]
    rows = _by(known, lambda one: (one.strategy, one.disturbance))
    body = [
        [
            f"`{name}`",
            disturbance,
            percent(row.accuracy.deviation),
            f"{signed(row.accuracy.agreement.low)} to {signed(row.accuracy.agreement.high)}",
        ]
        for (name, disturbance), row in sorted(rows.items())
        if row.accuracy.agreement.known
    ]
    return table(("strategy", "disturbance", "standard deviation", "limits of agreement"), body)


def _by(
    found: Iterable[Found], key: Callable[[Found], tuple[str, str]]
) -> dict[tuple[str, str], Summary]:
    groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return {name: summary(group) for name, group in groups.items()}
