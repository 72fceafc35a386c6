"""On which simulated targets can it be seen what each feature of the search is worth?

The fleet that is simulated sends no bodies, so requests that are not representative are a target
asked for other work: `alone` is the server of the recording, asked by one kind of request only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.search.cells import Cell, Known, Question, ask
from benchmarks.search.disturbances import COLUMNS, SCENARIOS, Disturbance
from benchmarks.search.families import FAMILIES, Described, Family
from benchmarks.search.known import Sought, know
from benchmarks.search.ours import DEFAULT

PAPER: Mapping[str, float] = {
    "": 0.052,
    "warm_up": 0.274,
    "replay": 0.316,
    "signals": 0.128,
    "objectives": 0.091,
    "batching": 0.143,
    "open_loop": 0.187,
}
"""Mean absolute error of the paper's table 4 (14 models): of all features, then without one."""

CLEAN = COLUMNS["clean"]
SLOW_START = Disturbance(
    "slow start", "four times as slow for 30 s", passing="warm_up_slowdown=4&warm_up=30s"
)
LONG_START = Disturbance(
    "long start", "half speed for 3 min", passing="warm_up_slowdown=2&warm_up=180s"
)
LOOSE = FAMILIES["loose"]
FIFO, BATCH, MM1 = FAMILIES["fifo"].url, FAMILIES["batch"].url, "sim://mm1?mean=10ms"
FIFO_SLO, BATCH_SLO = FAMILIES["fifo"].slo, FAMILIES["batch"].slo
DEMO, DEMO_SLO = "sim://batch?base=20ms&per_item=2.5ms&max_batch=16", "p99 response_time <= 150ms"
DECODE = "sim://decode?cap=43&token=22ms&token_per_request=0.275ms&output=81&prompt=425"
CLASSES = "sim://classes?servers=8&mean=20ms&heavy_mean=160ms&heavy_ratio=10%&cv=0.3"
LIGHT = "sim://fifo?servers=8&mean=20ms&cv=0.3"
AVERAGE = "sim://fifo?servers=8&mean=34ms&cv=0.3"
CLASSES_SLO = ("p99 response_time <= 500ms",)


@dataclass(frozen=True, slots=True)
class Case:
    """A target that is searched with a feature and without it; `alone` is asked without replay.

    `capacity` is the work a second that its servers do, in requests, for a target that tells its
    utilisation. `low` is the lowest rate to try, where it is not drawn.
    """

    name: str
    feature: str
    says: str
    url: str
    slo: tuple[str, ...]
    troubled: Disturbance = CLEAN
    budget_s: float = 1800.0
    alone: str = ""
    capacity: float = 0.0
    low: float = 0.0

    def known(self) -> Known:
        """The truth, simulated where it is not kept."""
        return know(
            Sought(self.troubled.tolerant(self.url), self.troubled.strict(self.url), self.slo)
        )

    def question(self, known: Known, seed: int) -> Question:
        """What the search is asked, the same with the feature and without it."""
        family = Family(self.name, "A", self.says, self.url, self.slo, budget_s=self.budget_s)
        cell = Cell(self.name, self.troubled.name, "bayes", DEFAULT, seed)
        return ask(cell, Described(family, self.url, self.slo), self.troubled, known, "")


CASES = (
    Case(
        "batch, cold",
        "warm_up",
        "half speed at first, warming within 40 s",
        BATCH,
        BATCH_SLO,
        COLUMNS["cold"],
    ),
    Case("demo, cold", "warm_up", "four times as slow for 30 s", DEMO, (DEMO_SLO,), SLOW_START),
    Case(
        "batch, colder",
        "warm_up",
        "70 % slower at first, warming within 120 s",
        BATCH,
        BATCH_SLO,
        SCENARIOS["cold70_tau120"],
    ),
    Case(
        "demo, cold, from 10/s",
        "warm_up",
        "four times as slow for 30 s",
        DEMO,
        (DEMO_SLO,),
        SLOW_START,
        low=10.0,
    ),
    Case(
        "demo, long cold",
        "warm_up",
        "half speed for 3 min",
        DEMO,
        (DEMO_SLO,),
        LONG_START,
    ),
    Case(
        "classes, light alone",
        "replay",
        "every request of the light class",
        CLASSES,
        CLASSES_SLO,
        alone=LIGHT,
    ),
    Case(
        "classes, average",
        "replay",
        "every request of the average work",
        CLASSES,
        CLASSES_SLO,
        alone=AVERAGE,
    ),
    Case(
        "fifo, told",
        "signals",
        "the target tells its utilisation and its queue",
        FIFO,
        FIFO_SLO,
        capacity=200.0,
    ),
    Case(
        "fifo, median first",
        "objectives",
        "p50 in 100 ms, then p99 in 200 ms",
        FIFO,
        ("p50 response_time <= 100ms", *FIFO_SLO),
    ),
    Case(
        "decode, TTFT first",
        "objectives",
        "the first token in 1.65 s, then 32 ms between tokens",
        DECODE,
        ("p99 ttft <= 1650ms", "p99 itl <= 32ms"),
        budget_s=7200.0,
    ),
    Case(
        "batch, stalls",
        "batching",
        "stalls of 0.5 s, one every 90 s on average",
        BATCH,
        BATCH_SLO,
        COLUMNS["spikes"],
    ),
    Case(
        "demo, stalls",
        "batching",
        "stalls of 0.5 s, one every 90 s on average",
        DEMO,
        (DEMO_SLO,),
        COLUMNS["spikes"],
    ),
    Case("mm1", "batching", "one exponential server, which forgets slowly", MM1, FIFO_SLO),
    Case("loose", "batching", LOOSE.says, LOOSE.url, LOOSE.slo, budget_s=LOOSE.budget_s),
    Case("fifo", "open_loop", "eight servers at one queue", FIFO, FIFO_SLO),
    Case("batch", "open_loop", "two replicas that batch", BATCH, BATCH_SLO),
)
