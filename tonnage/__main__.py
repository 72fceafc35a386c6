"""`tonnage`, the command line: what a person types, and the exit status scripts see.

0 answered, gate met   1 gate not met   2 rejected   3 no verdict   4 failed   130 aborted
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tonnage import searching
from tonnage.demo import run_demo
from tonnage.errors import ABORTED, FAILED, CommandError
from tonnage.signals import Interrupted
from tonnage.stack import default_workers
from tonnage.standing import stay_up

app = typer.Typer(
    name="tonnage",
    help="Finds how much traffic a model-serving deployment can carry inside its SLO.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DEFAULT_WORKERS = default_workers()

Goal = Annotated[Path, typer.Argument(help="Goal file (YAML); see the README.", metavar="GOAL")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result document there.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Worker processes to begin with.")]
RedisUrl = Annotated[
    str | None, typer.Option(envvar="TONNAGE_REDIS_URL", help="Use this Redis, not our own.")
]
AllowTarget = Annotated[
    list[str] | None,
    typer.Option("--allow-target", metavar="HOST:PORT", help="A target beyond loopback."),
]


@app.command()
def demo(
    workers: Workers = DEFAULT_WORKERS,
    json_path: Json = Path("tonnage-demo.json"),
    precision: Annotated[str, typer.Option(help="Width of the 90 % interval.")] = "10%",
) -> None:
    """Find the capacity of a toy model server on this machine, and compare it with the truth."""
    raise typer.Exit(run_demo(Console(), workers=workers, json_path=json_path, precision=precision))


@app.command()
def search(  # noqa: PLR0917 - typer reads options from the signature
    goal: Goal,
    controller: Annotated[
        str | None, typer.Option(envvar="TONNAGE_CONTROLLER", help="URL of a controller.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Bring a stack up on this machine for this search.")
    ] = False,
    json_path: Json = None,
    allow_target: AllowTarget = None,
    workers: Workers = DEFAULT_WORKERS,
    redis_url: RedisUrl = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="Result of an earlier search of the same model to begin with."),
    ] = None,
) -> None:
    """Find the capacity that GOAL asks for; without a controller, on a stack of its own."""
    request = searching.Request(
        goal=goal,
        controller=None if local else controller,
        token=os.environ.get("TONNAGE_TOKEN"),
        json_path=json_path,
        allow_targets=tuple(allow_target or ()),
        workers=workers,
        redis_url=redis_url if local or not controller else None,
        prior=prior,
    )
    raise typer.Exit(searching.run_search(Console(), request))


@app.command()
def up(
    workers: Workers = DEFAULT_WORKERS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the API.")] = 8411,
    data_dir: Annotated[
        Path | None, typer.Option(help="Journal and logs; default: the user's data folder.")
    ] = None,
    redis_url: RedisUrl = None,
    allow_target: AllowTarget = None,
) -> None:
    """Start controller, workers and Redis on this machine, and keep them up until Ctrl-C."""
    status = stay_up(
        Console(),
        directory=data_dir,
        workers=workers,
        port=port,
        redis_url=redis_url,
        allow_targets=tuple(allow_target or ()),
    )
    raise typer.Exit(status)


@app.command()
def simulate(goal: Goal, json_path: Json = None) -> None:
    """Search a simulated target (target: sim://…) in virtual time."""
    more = ["--json", str(json_path)] if json_path else []
    raise typer.Exit(_run(["controller", "simulate", str(goal), *more]))


PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command(context_settings=PASS_ON, add_help_option=False)
def controller(context: typer.Context) -> None:
    """Run a controller; options are those of `python -m controller serve`."""
    raise typer.Exit(_run(["controller", "serve", *context.args]))


@app.command(context_settings=PASS_ON, add_help_option=False)
def worker(context: typer.Context) -> None:
    """Run a worker; options are those of `python -m workers`."""
    raise typer.Exit(_run(["workers", *context.args]))


def _run(module: list[str]) -> int:
    """Replace this process by `python -m …`; where that cannot be done, wait for it."""
    argv = [sys.executable, "-m", *module]
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(argv[0], argv)  # noqa: S606 - our own modules, no shell
    return subprocess.run(argv, check=False).returncode


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except CommandError as error:
        _complain(str(error))
        sys.exit(error.status)
    except (Interrupted, KeyboardInterrupt):
        sys.exit(ABORTED)
    except OSError as error:
        _complain(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        sys.exit(FAILED)


def _complain(text: str) -> None:
    Console(stderr=True).print(
        f"tonnage: {text}", style="red", markup=False, highlight=False, soft_wrap=True
    )


if __name__ == "__main__":
    main()
