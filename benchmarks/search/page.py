"""What do the results of the benchmark look like on a page?

A page keeps its own text; the report takes the place of what stands between two marks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.search import ours, provenance, tables
from benchmarks.search.families import FAMILIES, Frozen, describe, frozen
from benchmarks.search.found import Found
from benchmarks.search.goals import COLUMNS, LOOSE, OURS, of_column
from benchmarks.search.ours import DEFAULT
from benchmarks.search.provenance import Differs
from benchmarks.search.tables import HEADS, table
from benchmarks.search.tuning import tuned

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
PICTURES = {
    "search-error-seconds": "Mean absolute error against median seconds, by disturbance",
    "search-error-bad": "Mean absolute error against median bad requests, by disturbance",
    "search-coverage": "Share of the 90 % intervals that hold the truth",
    "search-families": "Mean absolute error by family and disturbance",
}


def report(
    found: Sequence[Found],
    held_out: Frozen,
    pictures: Sequence[str],
    differs: Differs = provenance.differs,
) -> str:
    """All tables, and the pictures by their links; `differs` compares commits of the search."""
    parts = [
        "\n\n".join(filter(None, section))
        for section in _sections(found, held_out, pictures, differs)
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def placed(page: str, text: str) -> str:
    """The page with `text` between its marks.

    Raises:
        ValueError: it has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for results: write {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _sections(
    found: Sequence[Found], held_out: Frozen, pictures: Sequence[str], differs: Differs
) -> Iterator[list[str]]:
    yield ["### Goals", _sample(found, held_out), *searched(found, differs), tables.goals(found)]
    yield [
        f"![{PICTURES[Path(picture).stem]}]({picture})"
        for picture in pictures
        if Path(picture).stem in PICTURES
    ]
    for column in COLUMNS:
        for group in ("A", "B"):
            if of_column(found, column, group):
                said = HEADS[column] if column == LOOSE else f"{HEADS[column]}, families {group}"
                yield [f"### {said[0].upper()}{said[1:]}", tables.strategies(found, column, group)]
                yield [unshown(of_column(found, column, group), tuned())]
    extra = tables.scenarios(found)
    yield ["### Other disturbances", extra] if extra else []
    yield ["### Families", "Mean absolute error · coverage · median seconds of `bayes`."]
    yield [tables.families(found)]
    yield ["### Strict", tables.strict(found)]
    yield ["### Safe", tables.safe(found)]
    yield ["### Truth out of range", tables.outside(found)]
    yield ["### Repeatability", tables.repeatability(found)]
    yield ["### Targets", targets(found, held_out)]


def _sample(found: Sequence[Found], held_out: Frozen) -> str:
    codes = sorted({one.commit for one in found if one.commit})
    broken = sum(one.status == "broken" for one in found)
    said = f"{len(found):,} searches by {', '.join(codes) or 'an unknown commit'}"
    ends = f"; {broken} of them broke" if broken else ""
    drawn = f"family B is drawn from commit {held_out.commit[:10]} of {held_out.date}"
    return f"{said}{ends}; {drawn}."


def searched(found: Sequence[Found], differs: Differs) -> tuple[str, str]:
    """By which commits our own strategies were run, and whether the search was the frozen one."""
    known = frozen()
    own = [one for one in found if one.strategy in ours.STRATEGIES]
    origins = provenance.origins(own, known, differs)
    said = [provenance.sentence(name, commits) for name, commits in origins.items()]
    text = f"The search was frozen at commit {known.commit[:10]} of {known.date}."
    body = [
        provenance.row(name, commit, *told)
        for name, commits in origins.items()
        for commit, told in commits.items()
    ]
    rows = table(("our strategy", "commit", "searches", "its search is"), body) if body else ""
    return " ".join([text, *(said or [f"There is no row of `{OURS}`."])]), rows


def unshown(found: Sequence[Found], best: Mapping[str, str]) -> str:
    """Of a table of these searches: whose best setting or default was not run; "" for none."""
    ran: dict[str, set[str]] = defaultdict(set)
    for one in found:
        ran[one.strategy].add(one.setting)
    parts = []
    for what, shown in (("best setting", best), ("default", dict.fromkeys(ran, DEFAULT))):
        lacking = [
            f"`{name}`" + ("" if shown[name] == DEFAULT else f" ({shown[name]})")
            for name in sorted(ran)
            if name in shown and shown[name] not in ran[name]
        ]
        if lacking:
            parts.append(f"The {what} was not run of {', '.join(lacking)}.")
    return " ".join(parts)


def targets(found: Sequence[Found], held_out: Frozen) -> str:
    """Every target that was searched, with its truth when nothing troubles it."""
    truths = {
        one.family: (one.truth, one.truth_error) for one in found if one.disturbance == "clean"
    }
    rows = []
    for name, family in FAMILIES.items():
        if name not in {one.family for one in found}:
            continue
        described = describe(family, held_out.commit)
        truth, error = truths.get(name, (float("nan"), float("nan")))
        known = f"{truth:.1f} ± {error:.2g}/s" if name in truths else tables.NONE
        slo = ", ".join(described.slo)
        rows.append([f"{name} ({family.group})", family.says, f"`{described.url}`", slo, known])
    return table(("family", "what it is", "target", "SLO", "capacity"), rows)
