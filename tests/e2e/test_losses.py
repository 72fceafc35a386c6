"""Does a run survive the loss of what carries it, and say so when it cannot?"""

from __future__ import annotations

import signal
from pathlib import Path

from tests.e2e.scene import START_S, Document, Stack, Target, goal, in_short, serving
from tests.helpers.processes import eventually

END_S = 75.0
VERDICTS = ("answered", "at_least", "at_most", "no_verdict")
DEAD_MAN_S = 20.0
"""Well over the 3 s after which a worker stops by itself, well under any probe of these goals."""
REDIS = "-server 127.0.0.1:"
"""How Redis and Valkey name themselves, whatever their binary is called."""


def decided_after_a_void_probe(view: Document) -> bool:
    verdicts = [probe["verdict"] for probe in view["probes"]]
    return "void" in verdicts and verdicts[-1] != "void"


def told(stack: Stack, view: Document) -> str:
    return stack.program.told(in_short(view))


def is_warming_up(view: Document) -> bool:
    return bool(view["curve"]) and view["current"]["purpose"] == "warm_up"


def void_reasons(view: Document) -> str:
    return "; ".join(p["reason"] for p in view["probes"] if p["verdict"] == "void")


def void_probes_not_late(view: Document) -> list[str]:
    """Reasons of the void probes but those that a busy machine sent late, which is no loss."""
    void = [p["reason"] for p in view["probes"] if p["verdict"] == "void"]
    return [reason for reason in void if not reason.startswith("send lag")]


def test_the_run_goes_on_without_a_dead_worker_and_fails_without_any(
    stack: Stack, target: Target
) -> None:
    run = stack.begin(goal(target.url, search={"precision": "5%"}))
    stack.until_measuring(run)
    stack.kill("--id w1")
    view = stack.until(run, decided_after_a_void_probe, "a probe without w1 is decided", END_S)
    assert "w1" in void_reasons(view)
    assert view["workers"] == ["w2"]
    stack.until_measuring(run)
    stack.kill("--id w2")
    view = stack.until_ended(run, END_S)
    assert (view["status"], view["exit_status"]) == ("failed", 4), told(stack, view)
    assert "worker" in view["reason"]


def test_a_lost_redis_costs_the_probe_in_progress_and_no_more(stack: Stack, target: Target) -> None:
    run = stack.begin(goal(target.url))
    stack.until_measuring(run)
    stack.kill(REDIS)
    view = stack.until_ended(run, END_S)
    assert view["status"] in VERDICTS, told(stack, view)
    (reason,) = void_probes_not_late(view)
    assert "Redis" in reason, told(stack, view)
    assert view["probes"][-1]["verdict"] != "void", told(stack, view)


def test_a_redis_that_hangs_stops_the_load_and_voids_the_probe(
    stack: Stack, target: Target
) -> None:
    run = stack.begin(goal(target.url, warm_up="40s"))  # which would go on for long
    stack.until(run, is_warming_up, "the warm-up is measured", START_S)
    redis = stack.program.child(REDIS)
    redis.suspend()
    try:
        eventually(target.is_left_alone, "the workers stop by themselves", DEAD_MAN_S)
    finally:
        redis.resume()
    stack.until(run, lambda view: view["void_probes"] == 1, "the probe is void", START_S)
    stack.until_measuring(run)


def test_a_restarted_controller_resumes_the_run(stack: Stack, target: Target) -> None:
    run = stack.begin(goal(target.url))
    before = stack.until(run, lambda view: bool(view["probes"]), "a probe is decided", END_S)
    stack.until_measuring(run)
    stack.kill("controller serve")
    view = stack.until_ended(run, END_S)
    assert view["status"] in VERDICTS, told(stack, view)
    assert view["probes"][0] == before["probes"][0]
    numbers = [probe["number"] for probe in view["probes"]]
    assert numbers == sorted(set(numbers)), told(stack, view)
    assert any("took the run over" in note["text"] for note in view["notes"])


def test_a_target_that_dies_gets_a_verdict_of_its_own(stack: Stack, tmp_path: Path) -> None:
    with serving(tmp_path) as mortal:
        run = stack.begin(goal(mortal.url))
        stack.until_measuring(run)
        mortal.program.send(signal.SIGKILL)
        view = stack.until_ended(run, END_S)
    assert view["status"] in VERDICTS, told(stack, view)
    assert "failed (Connection" in view["reason"], told(stack, view)
    assert any(probe["verdict"] == "fail" for probe in view["probes"])


def test_an_abort_stops_the_load(stack: Stack, target: Target) -> None:
    run = stack.begin(goal(target.url))
    stack.until_measuring(run)
    assert stack.ask("POST", f"/api/v1/runs/{run}/abort").status_code == 202
    view = stack.until_ended(run, START_S)
    assert (view["status"], view["exit_status"]) == ("aborted", 130)
    assert view["load_stopped"] is True
    assert target.is_left_alone()
    assert stack.ask("POST", f"/api/v1/runs/{run}/abort").status_code == 409
