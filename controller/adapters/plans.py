"""What are the workers told for this goal and this probe, and what do their answers amount to?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from contract.address import host_port
from contract.messages import Hello, Plan, Prepare, Ready
from contract.signing import KEY_VARIABLE
from contract.units import Rate, Seconds
from controller.adapters.control_link import Seen
from controller.adapters.user_files import meant, mismatch
from controller.errors import PreflightFailed
from controller.ports import Readiness
from controller.search import streams
from controller.search.goal import Goal, Workload
from controller.search.probe import Probe

HEADROOM = 1.05
"""Workers may send this much above search.to: a ceiling, not a target."""
NOBODY = ""
"""No worker has this name."""
FEW_WORKERS = 200
SHORT_CADENCE_S, LONG_CADENCE_S = Seconds(0.25), Seconds(1.0)


@dataclass(frozen=True, slots=True)
class Speech:
    """In whose name the workers are told: a run of a goal, under a fence."""

    run: str
    goal: Goal
    fence: int

    def prepare(self, workers: tuple[str, ...], *, ask_target: bool = True) -> Prepare:
        """Load the user; the first worker asks the target, or nobody."""
        goal = self.goal
        return Prepare(
            run=self.run,
            fence=self.fence,
            workers=workers,
            user=goal.workload.user,
            targets=goal.targets,
            model=goal.model,
            headers=goal.headers,
            options=goal.workload.options,
            requests_sha256=goal.sent_requests,
            objectives=tuple(objective.text for objective in goal.objectives),
            timeout_s=goal.workload.timeout_s,
            seed=goal.seed,
            allowed_targets=tuple(dict.fromkeys(host_port(target) for target in goal.targets)),
            max_rate=Rate(goal.peak * HEADROOM),
            check_by=workers[0] if ask_target else NOBODY,
            replica_header=goal.workload.replica_header,
            connections=goal.workload.connections,
            times_sha256=goal.workload.law.times or None,
            bundle_sha256=goal.workload.bundle,
        )

    def plan(
        self,
        probe: Probe,
        workers: tuple[str, ...],
        epoch_us: int,
        weights: tuple[int, ...] = (),
    ) -> Plan:
        """The probe, from `epoch_us` of the Redis clock on; `weights` as `shares_for` gives them."""
        goal, count = self.goal, len(workers)
        share = Rate(max(probe.peak, probe.ramp_from) / count)
        return Plan(
            run=self.run,
            fence=self.fence,
            probe=probe.number,
            workers=workers,
            epoch_us=epoch_us,
            law=goal.workload.law,
            seed=goal.seed,
            rate=probe.rate,
            ramp_s=probe.ramp_s,
            ramp_from=probe.ramp_from,
            duration_s=probe.duration_s,
            in_flight_cap=goal.in_flight_cap(share),
            rate_ceiling=Rate(goal.peak * HEADROOM / count),
            cadence_s=SHORT_CADENCE_S if count <= FEW_WORKERS else LONG_CADENCE_S,
            streams=streams.share(probe.streams, count),
            weights=weights,
            profile=probe.profile,
        )


def readiness(answers: tuple[Ready, ...], workload: Workload) -> Readiness:
    """The fleet after every worker's answer.

    Raises:
        PreflightFailed: the workers would not run the same user, or not the one that was meant.
    """
    wrong = mismatch(workload.user, answers, meant(workload))
    if wrong is not None:
        raise PreflightFailed(wrong)
    return Readiness(
        workers=tuple(answer.worker for answer in answers),
        rate_per_s=sum(float(answer.rate_per_s) for answer in answers),
        warnings=tuple(f"{a.worker}: {text}" for a in answers for text in a.warnings),
    )


def deaf(hello: Hello, key_id: str) -> str | None:
    """Why a worker would not obey a controller whose fleet key is `key_id`; None: it does."""
    if hello.key_id == key_id:
        return None
    whose = f"worker {hello.worker} on {hello.host}"
    if not hello.key_id:
        fault = f"{whose} has no {KEY_VARIABLE}, and the controller has one"
    elif not key_id:
        fault = f"{whose} has a {KEY_VARIABLE}, and the controller has none"
    else:
        fault = (
            f"{whose} has another {KEY_VARIABLE} (id {hello.key_id}, the controller's is {key_id})"
        )
    return f"{fault}: give controller and workers the same"


def nobody(there: Iterable[Seen], waited_s: float, key_id: str = "") -> str:
    """Why there is no worker to take."""
    there = tuple(there)
    faults = [fault for seen in there if (fault := deaf(seen.hello, key_id)) is not None]
    if faults and len(faults) == len(there):
        return "; ".join(faults)
    busy = [seen.hello for seen in there if seen.hello.run is not None]
    if busy:
        return f"all {len(busy)} workers are busy, {busy[0].worker} with run {busy[0].run}"
    return f"no worker came within {waited_s:.0f} s: start some"
