"""How do accuracy, cost and honesty of the strategies look beside each other?

SVG with text as text and nothing that changes from run to run, so that a page's pictures differ only
where its numbers do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.search.curves import Point, points
from benchmarks.search.families import FAMILIES
from benchmarks.search.found import Found
from benchmarks.search.goals import COLUMNS, COVERED, OURS, of_column
from benchmarks.search.metrics import summary
from benchmarks.search.tables import HEADS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "tonnage",
    "svg.fonttype": "none",
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
}
OUR_COLOUR, OTHER_COLOUR = "#c0392b", "#5d6d7e"
COLOURS = ("#2471a3", "#1e8449", "#b9770e", "#7d3c98", "#117a65", "#5d6d7e", "#a04000", "#6c3483")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:g} %")
_COUNT = FuncFormatter(lambda value, _: f"{value / 1000:g} k" if value >= 1000 else f"{value:g}")
_STEPS = (1.0, 2.0, 5.0)
_WIDE = 50.0
"""A small panel whose ends are so many times apart has room for the powers of ten alone."""
_LEAST_ERROR = 1e-3


def draw(found: Sequence[Found], folder: Path) -> list[Path]:
    """Every picture that the results have something for."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[], Figure | None]] = {
        "search-error-seconds": lambda: _against(found, "seconds", "median seconds"),
        "search-error-bad": lambda: _against(found, "bad_requests", "median bad requests"),
        "search-coverage": lambda: _coverage(found),
        "search-families": lambda: _families(found),
    }
    written = []
    with mpl.rc_context(STYLE):
        for name, make in pictures.items():
            figure = make()
            if figure is not None:
                written.append(folder / f"{name}.svg")
                figure.savefig(written[-1], metadata={"Date": None, "Creator": None})
    return written


def _against(found: Sequence[Found], cost: str, label: str) -> Figure | None:
    """Mean absolute error against a cost: a panel a column, a curve a strategy."""
    known = {column: points(of_column(found, column)) for column in COLUMNS}
    names = sorted({point.strategy for column in COLUMNS for point in known[column]})
    if not names:
        return None
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(2, 3, sharey=True).flat
    for panel, column in zip(panels, COLUMNS, strict=True):
        panel.set_title(HEADS[column])
        if not known[column]:
            panel.set_axis_off()
            continue
        for name in names:
            curve = [point for point in known[column] if point.strategy == name]
            _curve(panel, curve, cost, name, names)
        _axes(panel, label)
    figure.axes[0].set_ylabel("mean absolute error")
    figure.axes[3].set_ylabel("mean absolute error")
    handles = {handle.get_label(): handle for panel in figure.axes for handle in panel.get_lines()}
    labels = [str(label) for label in handles]
    figure.legend(list(handles.values()), labels, loc="outside lower center", ncols=6)
    return figure


def _axes(panel: Axes, label: str) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    for axis, ticks in ((panel.xaxis, _COUNT), (panel.yaxis, _PERCENT)):
        axis.set_major_locator(LogLocator(subs=_STEPS))
        axis.set_major_formatter(ticks)
        axis.set_minor_locator(NullLocator())
    panel.set_xlabel(label)


def _curve(panel: Axes, curve: Sequence[Point], cost: str, name: str, names: Sequence[str]) -> None:
    if not curve:
        return
    at = sorted((max(float(getattr(p, cost)), 1.0), max(p.error, _LEAST_ERROR)) for p in curve)
    place = names.index(name)
    ours = name == OURS
    panel.plot(
        [spent for spent, _ in at],
        [error for _, error in at],
        color=OUR_COLOUR if ours else COLOURS[place % len(COLOURS)],
        marker="*" if ours else MARKERS[place % len(MARKERS)],
        markersize=9 if ours else 4,
        linewidth=1.6 if ours else 0.8,
        zorder=3 if ours else 2,
        label=name,
    )


def _coverage(found: Sequence[Found]) -> Figure | None:
    """Share of intervals that hold the truth, of strategies that give any."""
    rows: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    for name in sorted({one.strategy for one in found}):
        own = [one for one in found if one.strategy == name and one.setting == "default"]
        for place, column in enumerate(COLUMNS):
            covered = summary(of_column(own, column)).accuracy.coverage
            if covered.known:
                rows[name].append((place, covered.value, covered.low, covered.high))
    if not rows:
        return None
    figure = Figure(figsize=(7, 3), layout="constrained")
    panel = figure.subplots()
    panel.axhspan(*COVERED, color="#d5f5e3", zorder=0)
    panel.axhline(0.9, color="#27ae60", linewidth=0.8, zorder=1)
    for shift, (name, bars) in enumerate(rows.items()):
        at = [place + (shift - (len(rows) - 1) / 2) * 0.12 for place, *_ in bars]
        value = [bar[1] for bar in bars]
        reach = [[bar[1] - bar[2] for bar in bars], [bar[3] - bar[1] for bar in bars]]
        colour = OUR_COLOUR if name == OURS else COLOURS[shift % len(COLOURS)]
        panel.errorbar(at, value, reach, fmt="o", markersize=4, color=colour, label=name)
    panel.set_xticks(range(len(COLUMNS)), [HEADS[column] for column in COLUMNS])
    panel.set_ylim(0, 1.02)
    panel.yaxis.set_major_formatter(_PERCENT)
    panel.set_ylabel("intervals that hold the truth")
    panel.legend(loc="lower left", ncols=4)
    return figure


def _families(found: Sequence[Found]) -> Figure | None:
    """Our mean absolute error on each family, and that of the most accurate baseline there."""
    default = [one for one in found if one.setting == "default" and one.place == "inside"]
    seen = {one.disturbance for one in default if one.estimate is not None}
    columns = [column for column in COLUMNS if column in seen]
    names = [name for name in FAMILIES if any(one.family == name for one in default)]
    if not columns:
        return None
    figure = Figure(figsize=(9, 1.2 + 0.25 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, column in zip(panels, columns, strict=True):
        here = [one for one in default if one.disturbance == column]
        _dots(panel, here, names)
        panel.set_title(HEADS[column])
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        panel.xaxis.set_major_locator(LogLocator(subs=_STEPS if high < _WIDE * low else (1.0,)))
        panel.xaxis.set_major_formatter(_PERCENT)
        panel.xaxis.set_minor_locator(NullLocator())
    panels[0].set_yticks(range(len(names)), [f"{n} ({FAMILIES[n].group})" for n in names])
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _dots(panel: Axes, here: Sequence[Found], names: Sequence[str]) -> None:
    ours: list[tuple[float, int]] = []
    best: list[tuple[float, int]] = []
    for place, name in enumerate(names):
        known = points([one for one in here if one.family == name])
        ours += [(max(p.error, _LEAST_ERROR), place) for p in known if p.strategy == OURS]
        others = [max(p.error, _LEAST_ERROR) for p in known if p.strategy != OURS]
        best += [(min(others), place)] if others else []
    for dots, colour, marker, label in (
        (best, OTHER_COLOUR, "o", "the most accurate other strategy, per family"),
        (ours, OUR_COLOUR, "*", OURS),
    ):
        across = [error for error, _ in dots]
        panel.scatter(across, [place for _, place in dots], c=colour, marker=marker, label=label)
