"""How is one goal searched from the command line, on a controller or on a stack of its own?"""

from __future__ import annotations

import contextlib
import json
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tonnage import answer, goalfile
from tonnage.client import Controller, Document, Refused
from tonnage.earlier import with_prior
from tonnage.errors import ABORTED, FAILED, REJECTED, CommandError
from tonnage.follow import Follower, abort
from tonnage.goalfile import GoalFile
from tonnage.live import Watch, watching
from tonnage.signals import Interrupted, Interruption, interruptible
from tonnage.stack import Stack, StackOptions

Tend = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What `tonnage search` was asked. `controller` None means a stack of its own."""

    goal: Path
    controller: str | None
    token: str | None
    json_path: Path | None
    allow_targets: tuple[str, ...]
    workers: int
    redis_url: str | None
    prior: Path | None = None


def run_search(console: Console, request: Request) -> int:
    """Exit status of the search; design §5's table."""
    goal = goalfile.read(request.goal)
    if request.prior is not None:
        goal = with_prior(goal, request.prior)
    check_writable(request.json_path)
    with interruptible() as interruption:
        if request.controller:
            if request.allow_targets:
                raise CommandError(
                    "--allow-target goes with --local: a controller has its own list", REJECTED
                )
            controller = Controller(request.controller, request.token)
            with watching(console) as watch:
                run = _Run(controller, goal, interruption, tend=lambda: None)
                result = run.to_its_end(watch)
        else:
            result = _search_locally(console, request, goal, interruption)
    return finish(console, result, request.json_path)


def _search_locally(
    console: Console, request: Request, goal: GoalFile, interruption: Interruption
) -> Document:
    with tempfile.TemporaryDirectory(prefix="tonnage-", ignore_cleanup_errors=True) as folder:
        options = StackOptions(
            directory=Path(folder),
            workers=request.workers,
            redis_url=request.redis_url,
            allow_targets=request.allow_targets,
        )
        with Stack(options, lambda text: say(console, text)) as stack:
            result = search_on(console, stack, goal, interruption)
            interruption.held = True  # the stack ends in order, and the result is not lost
    return result


def search_on(
    console: Console, stack: Stack, goal: GoalFile, interruption: Interruption
) -> Document:
    """Search `goal` on a local stack while looking after its processes."""
    with watching(console) as watch:
        stack.say = watch.say
        tend: Tend = lambda: stack.check(run_active=True)  # noqa: E731 - a partial reads worse
        return _Run(stack.controller, goal, interruption, tend).to_its_end(watch)


class _Run:
    """One run on a controller, from its creation to its result."""

    def __init__(
        self, controller: Controller, goal: GoalFile, interruption: Interruption, tend: Tend
    ) -> None:
        self._controller = controller
        self._goal = goal
        self._interruption = interruption
        self._tend = tend

    def to_its_end(self, watch: Watch) -> Document:
        """The result document; after a signal, of the aborted run.

        Raises:
            CommandError: refused, or the controller is gone; ABORTED when that was after a signal.
        """
        key = uuid.uuid4().hex
        try:
            run = self._create(key)
            watch.say(f"run {run} at {self._controller.url}/api/v1/runs/{run}")
            self._follow(run, watch)
        except Interrupted as signal:
            watch.say(f"{signal}: stopping the load")
            return self._aborted(key)
        return self._controller.result(run)

    def _create(self, key: str) -> str:
        for sha256, path in self._goal.artefacts.items():
            self._controller.upload(path.read_bytes(), sha256)
        for sha256, data in self._goal.bundles.items():
            self._controller.upload(data, sha256)
        try:
            return self._controller.create(self._goal.document, key)
        except Refused as error:
            raise CommandError(self._goal.in_its_words(str(error)), error.status) from error

    def _follow(self, run: str, watch: Watch) -> None:
        try:
            with Follower(self._controller, run) as follower:
                follower.wait(watch.draw, self._tend)
        except CommandError:  # it cannot be watched any more: the load must not go on without us
            with contextlib.suppress(CommandError):
                abort(self._controller, run, self._tend)
            raise

    def _aborted(self, key: str) -> Document:
        """The signal may have come at any moment: the same key gives the run there is."""
        try:
            run = self._controller.create(self._goal.document, key)
            if abort(self._controller, run, self._tend):
                return self._controller.result(run)
        except CommandError as error:
            raise CommandError(f"aborted; {error}", ABORTED) from error
        raise CommandError(f"aborted; run {run} has not confirmed that it stopped", ABORTED)


def finish(console: Console, result: Document, json_path: Path | None) -> int:
    """Show the answer, write it where asked, and give the exit status."""
    answer.show(result, console)
    if json_path:
        json_path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        say(console, f"result written to {json_path.resolve()}")
    status = result.get("exit_status")
    if isinstance(status, int):
        return status
    return ABORTED if result.get("status") == "aborted" else FAILED


def check_writable(path: Path | None) -> None:
    """Refuse a result path before minutes are spent on its content."""
    if path is None:
        return
    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir():
        raise CommandError(f"--json: {path} is not a file in an existing folder", REJECTED)


def say(console: Console, text: str) -> None:
    """A plain line about what is being done."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
