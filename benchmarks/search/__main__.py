"""How near the truth do searches come, how surely, and at what cost to the target?

    python -m benchmarks.search run [--size small|full] [--quick] [--minutes 30] [--results FILE]
    python -m benchmarks.search report FILE... [--page docs/search-benchmark.md] [--images docs/img]
    python -m benchmarks.search tune FILE...
    python -m benchmarks.search list
    python -m benchmarks.search target [--target sim://…] [--slo '…'] [--strategies bayes,sweep]

`run` adds one line a search to FILE and never runs what is there again; `report` makes tables and
pictures of it, `tune` keeps the baselines' best settings. docs/search-benchmark.md says how it is done and what came of it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.search import page, plan, target, theirs, tuning, work
from benchmarks.search.disturbances import DISTURBANCES
from benchmarks.search.families import FAMILIES, Frozen, describe, frozen, is_commit
from benchmarks.search.found import Found
from benchmarks.search.plan import SIZES, Narrowed
from controller.errors import GoalRefused

RESULTS = Path("search-results.jsonl")
QUICK_RESULTS = Path("search-results-quick.jsonl")
OLD_STYLE = "target"
"""What options without a command mean."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0; 1 when a search broke; 2 when an argument is wrong."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0].startswith("--") and words[0] != "--help":
        words = [OLD_STYLE, *words]
    given = parser().parse_args(words)
    try:
        return int(given.command(given))
    except (ValueError, OSError, GoalRefused) as error:
        print(f"{given.name}: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="python -m benchmarks.search", description=(__doc__ or "").splitlines()[0]
    )
    commands = described.add_subparsers(dest="name", required=True, metavar="COMMAND")
    running = commands.add_parser("run", help="run what a results file lacks")
    running.set_defaults(command=_run)
    _run_options(running)
    reporting = commands.add_parser("report", help="make tables and pictures of results")
    reporting.set_defaults(command=_report)
    reporting.add_argument("results", nargs="+", type=Path)
    reporting.add_argument("--page", type=Path, help="write the tables into this page")
    reporting.add_argument("--images", type=Path, help="draw the pictures into this folder")
    tune = commands.add_parser("tune", help="keep the best setting of each baseline, by family A")
    tune.set_defaults(command=_tune)
    tune.add_argument("results", nargs="+", type=Path)
    listing = commands.add_parser("list", help="say what there is to run")
    listing.set_defaults(command=_list)
    own = commands.add_parser("target", help="search one target of your own choosing")
    own.set_defaults(command=target.main)
    target.options(own)
    for command in (running, reporting, tune, listing):
        command.add_argument(
            "--frozen",
            metavar="COMMIT",
            help="draw family B from this commit, not from the one in frozen.txt",
        )
    return described


def _run_options(running: argparse.ArgumentParser) -> None:
    running.add_argument("--size", choices=tuple(SIZES), default="small")
    running.add_argument("--quick", action="store_true", help="short for --size quick")
    for what in ("families", "disturbances", "strategies"):
        running.add_argument(f"--{what}", type=_names, default=(), help="only these, by commas")
    running.add_argument("--settings", type=_settings, default=(), help="only these, by semicolons")
    running.add_argument("--seeds", type=_positive, help="searches of every cell")
    running.add_argument(
        "--results", type=Path, help=f"by default {RESULTS}, {QUICK_RESULTS} with --quick"
    )
    running.add_argument("--minutes", type=_minutes, default=float("inf"), help="of this piece")
    running.add_argument("--processes", type=_positive, default=2)
    running.add_argument("--nice", type=int, default=0, help="niceness of the processes")
    running.add_argument(
        "--interpreted", action="store_true", help="do not compile the simulator: for few searches"
    )
    running.add_argument("--again", action="store_true", help="run broken searches again")


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _settings(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(";") if name.strip())


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _held_out(given: argparse.Namespace) -> Frozen:
    if given.frozen is None:
        return frozen()
    if not is_commit(given.frozen):
        raise ValueError(f"--frozen {given.frozen!r}: write the id of a commit, 10 digits or more")
    return Frozen(given.frozen, "--frozen")


def _run(given: argparse.Namespace) -> int:
    quick = given.quick or given.size == "quick"
    size = SIZES["quick" if quick else given.size]
    narrowed = Narrowed(
        given.families, given.disturbances, given.strategies, given.settings, given.seeds
    )
    results = given.results or (QUICK_RESULTS if quick else RESULTS)
    piece = work.run(
        plan.plan(size, narrowed),
        results,
        commit=_held_out(given).commit,
        means=work.Means(
            given.processes, given.nice, 60 * given.minutes, compiled=not given.interpreted
        ),
        again=given.again,
    )
    left = f", {piece.left} left: run this again" if piece.left else ""
    broken = f", {piece.broken} of them broke" if piece.broken else ""
    print(f"{results}: {piece.ran} searches{broken}{left}")
    return 1 if piece.broken else 0


def _report(given: argparse.Namespace) -> int:
    held_out = _held_out(given)
    found, stale = work.kept(given.results, held_out.commit)
    if stale:
        print(f"{stale} searches left out: what they were asked has changed", file=sys.stderr)
    if not found:
        raise ValueError("these files hold no search of today's benchmark")
    pictures = _draw(given, found) if given.images else []
    text = page.report(found, held_out, pictures)
    if given.page is None:
        print(text)
    else:
        given.page.write_text(page.placed(given.page.read_text(encoding="utf-8"), text))
    return 0


def _tune(given: argparse.Namespace) -> int:
    found, _ = work.kept(given.results, _held_out(given).commit)
    best = tuning.best_settings(found)
    baselines = {name: setting for name, setting in best.items() if name in theirs.STRATEGIES}
    tuning.keep(baselines)
    for name, setting in baselines.items():
        print(f"{name:<22} {setting}")
    return 0


def _draw(given: argparse.Namespace, found: list[Found]) -> list[str]:
    from benchmarks.search import plots  # matplotlib is slow to come

    beside = given.page.parent.resolve() if given.page else Path.cwd()
    drawn = plots.draw(found, given.images.resolve())
    return [Path(os.path.relpath(path, beside)).as_posix() for path in drawn]


def _list(given: argparse.Namespace) -> int:
    held_out = _held_out(given)
    print(f"Families (B drawn from commit {held_out.commit[:10]} of {held_out.date}):")
    for name, family in FAMILIES.items():
        described = describe(family, held_out.commit)
        print(f"  {family.group} {name:<11} {described.url}  {', '.join(described.slo)}")
    print("Disturbances:")
    for troubled in DISTURBANCES.values():
        print(f"  {troubled.name:<18} {troubled.says}")
    print("Strategies and their settings:")
    for strategy in SIZES["full"].strategies:
        print(f"  {strategy:<18} {', '.join(plan.settings_of(strategy))}")
    for name, size in SIZES.items():
        cells = plan.plan(size, Narrowed())
        print(f"Size {name}: {len(cells):,} searches")
    return 0


if __name__ == "__main__":
    sys.exit(main())
