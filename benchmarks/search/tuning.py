"""Which setting of each baseline is its best, and is therefore shown beside its defaults?

The one with the least mean absolute error, averaged over the disturbances, on family A: the one
our own parameters were tuned on. A setting that leaves more than a tenth of the searches without an
answer is taken only where all do. What was found is kept beside this module, so that family B is
searched with it.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.search.curves import MOST_SILENT
from benchmarks.search.found import Found
from benchmarks.search.goals import COLUMNS, LOOSE, of_column
from benchmarks.search.metrics import summary

TUNED = Path(__file__).with_name("tuned.json")


def tuned(path: Path = TUNED) -> dict[str, str]:
    """The best setting of each strategy that has been tuned."""
    if not path.exists():
        return {}
    kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def keep(best: Mapping[str, str], path: Path = TUNED) -> None:
    text = json.dumps(dict(sorted(best.items())), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def best_settings(found: Sequence[Found]) -> dict[str, str]:
    """Of every strategy with searches on family A."""
    groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        groups[one.strategy, one.setting].append(one)
    scores: dict[str, dict[str, tuple[bool, float]]] = defaultdict(dict)
    for (strategy, setting), group in sorted(groups.items()):
        score = _score(group)
        if not math.isnan(score[1]):
            scores[strategy][setting] = score
    return {name: min(known, key=lambda each: known[each]) for name, known in scores.items()}


def _score(group: Sequence[Found]) -> tuple[bool, float]:
    """(leaves too much unanswered, mean error); the lesser the better."""
    columns = [of_column(group, column, "A") for column in COLUMNS if column != LOOSE]
    rows = [summary(column) for column in columns if column]
    errors = [row.accuracy.mean_abs.value for row in rows if row.accuracy.mean_abs.known]
    if not errors:
        return True, math.nan
    silent = sum(row.refused.value + row.unanswered.value for row in rows) / len(rows)
    return silent > MOST_SILENT, sum(errors) / len(errors)
