"""How are many searches run on a few processes, in a piece of limited time?

Workers are processes of their own, at the niceness asked for. They end with their parent however
that ends: each watches the pipe that every started process holds to its parent, which closes even
when the parent is killed. Nothing new is begun once the time is up; what runs then may go on for a
while, and is killed and left for the next piece after that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

GRACE_S = 60.0
"""How long what runs may go on after the time is up."""
JOB_LIMIT_S = 900.0
"""A job that takes longer has run away."""

_SPAWN = multiprocessing.get_context("spawn")  # a fork would keep its siblings' pipes open
_ORPHANED = 1


class JobFailed(Exception):
    """A job raised, ran away, or its process died; the text is for people."""


@dataclass(frozen=True, slots=True)
class Done(Generic[Job, Result]):
    """A job and what it gave."""

    job: Job
    result: Result | JobFailed


@dataclass(slots=True)
class _Worker(Generic[Job]):
    process: Any
    pipe: Connection
    job: Job | None = None
    since_s: float = 0.0


class Pool(Generic[Job, Result]):
    """`work` is a function a module holds, `jobs` and results can be pickled.

    `begin` is called once in every process, before its first job.
    """

    def __init__(
        self,
        work: Callable[[Job], Result],
        jobs: Sequence[Job],
        *,
        processes: int = 2,
        niceness: int = 0,
        limit_s: float = float("inf"),
        job_limit_s: float = JOB_LIMIT_S,
        begin: Callable[[], object] | None = None,
    ) -> None:
        self._work = work
        self._waiting = list(reversed(jobs))
        self._count = max(1, min(processes, len(jobs)))
        self._niceness = niceness
        self._until_s = time.monotonic() + limit_s
        self._job_limit_s = job_limit_s
        self._begin = begin
        self._workers: list[_Worker[Job]] = []

    def run(self) -> Generator[Done[Job, Result], None, None]:
        """Every job that ended in time, as it ends. Closing it kills what runs."""
        if not self._waiting:
            return
        try:
            for _ in range(self._count):
                self._start()
            while busy := [worker for worker in self._workers if worker.job is not None]:
                yield from self._ended(busy)
                if time.monotonic() > self._until_s + GRACE_S:
                    return
        finally:
            for worker in self._workers:
                _kill(worker)

    def _start(self) -> None:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=_serve, args=(self._work, theirs, self._niceness, self._begin), daemon=True
        )
        process.start()
        theirs.close()
        worker: _Worker[Job] = _Worker(process, ours)
        self._workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker[Job]) -> None:
        worker.job = None
        if self._waiting and time.monotonic() < self._until_s:
            worker.job, worker.since_s = self._waiting.pop(), time.monotonic()
            worker.pipe.send(worker.job)

    def _ended(self, busy: list[_Worker[Job]]) -> Iterator[Done[Job, Result]]:
        ready = wait([worker.pipe for worker in busy], timeout=1.0)
        for worker in busy:
            job = worker.job
            assert job is not None
            if worker.pipe in ready:
                try:
                    result = worker.pipe.recv()
                except EOFError:
                    yield Done(job, JobFailed("its process died"))
                    self._replace(worker)
                else:
                    yield Done(job, result)
                    self._give(worker)
            elif time.monotonic() - worker.since_s > self._job_limit_s:
                yield Done(job, JobFailed(f"not done after {self._job_limit_s:.0f} s"))
                self._replace(worker)

    def _replace(self, worker: _Worker[Job]) -> None:
        _kill(worker)
        self._workers.remove(worker)
        if self._waiting:
            self._start()


def _kill(worker: _Worker[Any]) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _serve(
    work: Callable[[Any], Any],
    pipe: Connection,
    niceness: int,
    begin: Callable[[], object] | None,
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    os.nice(niceness)
    if begin is not None:
        begin()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            result = work(job)
        except Exception as error:  # noqa: BLE001 - reported with the job
            result = JobFailed("".join(traceback.format_exception_only(error)).strip())
        pipe.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(_ORPHANED)
