"""Does a piece end in time, lose nothing, and leave no process behind?"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.search.pool import JobFailed, Pool

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
PARENT = """
import time
from benchmarks.search import pool
if __name__ == "__main__":
    made = pool.Pool(time.sleep, [600.0, 600.0], processes=2)
    made._start(), made._start()
    print(*(worker.process.pid for worker in made._workers), flush=True)
    time.sleep(600.0)
"""


def test_every_job_is_done_once() -> None:
    done = list(Pool(math.sqrt, [float(n) for n in range(20)], processes=1).run())
    assert sorted((one.job, one.result) for one in done) == [(n, n**0.5) for n in range(20)]


def test_a_job_that_raises_is_told_and_the_others_go_on() -> None:
    done = {one.job: one.result for one in Pool(math.sqrt, [4.0, -1.0, 9.0], processes=1).run()}
    assert (done[4.0], done[9.0]) == (2.0, 3.0)
    failed = done[-1.0]
    assert isinstance(failed, JobFailed)
    assert "ValueError" in str(failed)


def test_a_process_that_dies_costs_one_job() -> None:
    done = {one.job: one.result for one in Pool(os._exit, [3, 4], processes=1).run()}
    assert all(isinstance(result, JobFailed) for result in done.values())
    assert set(done) == {3, 4}


def test_nothing_is_begun_when_the_time_is_up() -> None:
    assert list(Pool(math.sqrt, [4.0], processes=1, limit_s=0.0).run()) == []


def test_a_job_that_runs_away_is_killed() -> None:
    pool = Pool(time.sleep, [600.0], processes=1, job_limit_s=0.1)
    (done,) = pool.run()
    assert isinstance(done.result, JobFailed)
    assert "not done after" in str(done.result)


def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    try:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(alive(pid) for pid in workers)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=PATIENCE_S)
        parent.stdout.close()
    give_up_s = time.monotonic() + PATIENCE_S
    while any(alive(pid) for pid in workers) and time.monotonic() < give_up_s:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits to be asked for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
