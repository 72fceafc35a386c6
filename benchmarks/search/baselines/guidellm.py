"""Which load does GuideLLM's `goodput` profile find?

It doubles until less than the wanted share of requests meets the objective, then bisects until the
bracket is a tenth of its lower end, 15 levels at most. As shipped a level is a number of closed-loop
streams, from 4 up to 1,024, and what it reports is the throughput at the best one. The same rule on
open-loop rates is a second baseline, as it is the fairer comparison.

GuideLLM (vllm-project/guidellm, September 2026, PR 1086): `benchmark/profiles/goodput.py`
(initial_streams 4, tolerance 0.1, max_probes 15, max_streams 1024, target_attainment 0.95). The
attainment is the question's quantile here, as the objective is not negotiable. Levels last 30 s:
the tool leaves that to the user.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.search.baselines.environment import Answer, Bound, Environment
from benchmarks.search.baselines.judging import achieved, carried

FIRST_STREAMS, MOST_STREAMS = 4, 1024


@dataclass(frozen=True, slots=True)
class GuideLlmRate:
    level_s: float = 30.0
    tolerance: float = 0.1
    most_levels: int = 15

    def find(self, env: Environment) -> Answer:
        best = worst = 0.0
        rate = env.first
        for _ in range(self.most_levels):
            if carried(env, env.finish(env.probe(rate, self.level_s))):
                best = max(best, rate)
            else:
                worst = min(worst or rate, rate)
            if best >= env.high and not worst:
                return Answer(best, low=best, bound="at_least")
            if not best and worst <= env.low:
                break
            if best and worst and worst - best <= self.tolerance * best:
                break
            rate = 2 * best if not worst else (best + worst) / 2
        if not best:
            return Answer(worst, high=worst, note="no level passed", bound="at_most")
        return Answer(best, best, worst or None)


@dataclass(frozen=True, slots=True)
class GuideLlmStreams:
    level_s: float = 30.0
    tolerance: float = 0.1
    most_levels: int = 15

    def find(self, env: Environment) -> Answer:
        best = worst = 0
        carries: dict[int, float] = {}
        streams = FIRST_STREAMS
        for _ in range(self.most_levels):
            level = env.closed_loop(streams, self.level_s)
            carries[streams] = achieved(level)
            if carried(env, env.finish(level)):
                best = max(best, streams)
            else:
                worst = min(worst or streams, streams)
            if best >= MOST_STREAMS or worst == 1:
                break
            if best and worst and worst - best <= max(1, self.tolerance * best):
                break
            streams = min(2 * best, MOST_STREAMS) if not worst else (best + worst) // 2 or 1
        if not best:
            return Answer(
                carries[worst], high=carries[worst], note="one stream fails", bound="at_most"
            )
        bound: Bound = "at_least" if carries[best] >= env.high else ""
        return Answer(carries[best], note=f"{best} streams", bound=bound)
