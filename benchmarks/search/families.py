"""Which targets is the search judged on, and which of them could it not be tuned to?

Family A is fixed; parameters of the search are tuned on it. Family B is held out: its parameters lie
around nominal values, and where they and its seeds lie follows from the sha256 of the commit that
froze the search:

    u = sha256("COMMIT/FAMILY/PARAMETER"), first 8 bytes, over 2^64; of the commit ten digits
    parameter = nominal * spread^(2u - 1), to three significant digits

so that whoever tuned the search did not know them. `A URL` and an objective say everything of a
target; what troubles it comes from `benchmarks.search.disturbances`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Group = Literal["A", "B"]
Place = Literal["inside", "above", "below"]
"""Where the truth lies: between the rates that are searched, above `to`, below `from`."""

FROZEN = Path(__file__).with_name("frozen.txt")
COMMIT_DIGITS = 10
_DIGITS = 3
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Drawn:
    """A parameter of family B: around `nominal`, at most `spread` times as much or as little."""

    nominal: float
    spread: float
    unit: str = ""
    whole: bool = False

    def text(self, place: str) -> str:
        """As it stands in a URL; `place` names what is drawn, commit included."""
        value = self.nominal * self.spread ** (2 * _uniform(place) - 1)
        if self.whole:
            return f"{max(1, round(value))}{self.unit}"
        digits = _DIGITS - 1 - math.floor(math.log10(value))
        return f"{round(value, digits):.{max(digits, 0)}f}{self.unit}"


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of target and the SLO it is asked for; {names} in both are drawn.

    `loose`: its limit is many times its service time, so a backlog is remembered for long. `budget_s`
    is what a search of it may last.
    """

    name: str
    group: Group
    says: str
    url: str
    slo: tuple[str, ...]
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    place: Place = "inside"
    loose: bool = False
    budget_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Described:
    """A target of a family with nothing left to draw."""

    family: Family
    url: str
    slo: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frozen:
    """The commit that froze the search, and when."""

    commit: str
    date: str


def frozen(path: Path = FROZEN) -> Frozen:
    """What the file says: one line, the commit and its date.

    Raises:
        ValueError: it says something else.
    """
    words = path.read_text(encoding="utf-8").split()
    if len(words) != 2 or not is_commit(words[0]):
        raise ValueError(f"{path.name}: expected one line, a commit and its date, got {words}")
    return Frozen(*words)


def is_commit(text: str) -> bool:
    """Whether this can be the id of a commit: 10 to 40 hexadecimal digits."""
    return COMMIT_DIGITS <= len(text) <= 40 and not set(text) - set("0123456789abcdef")


def describe(family: Family, commit: str) -> Described:
    """The target that the commit makes of a family."""
    place = f"{commit[:COMMIT_DIGITS]}/{family.name}"
    texts = {name: drawn.text(f"{place}/{name}") for name, drawn in family.drawn.items()}
    slo = tuple(line.format(**texts) for line in family.slo)
    return Described(family, family.url.format(**texts), slo)


def seed_of(family: Family, commit: str, index: int) -> int:
    """Of search number `index`, from 1: known beforehand in family A, from the commit in B."""
    if family.group == "A":
        return index
    return int(_uniform(f"{commit[:COMMIT_DIGITS]}/{family.name}/seed {index}") * _SEEDS)


def _uniform(place: str) -> float:
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big") / 2.0**64


def _ms(nominal: float, spread: float = 1.25) -> Drawn:
    return Drawn(nominal, spread, "ms")


def _count(nominal: float, spread: float = 1.5) -> Drawn:
    return Drawn(nominal, spread, whole=True)


_LIMIT = ("p99 response_time <= {limit}",)

_A = (
    Family(
        "fifo",
        "A",
        "eight servers at one queue, log-normal service",
        "sim://fifo?servers=8&mean=40ms&cv=0.6&law=lognormal",
        ("p99 response_time <= 200ms",),
    ),
    Family(
        "batch",
        "A",
        "two replicas that batch whatever waits",
        "sim://batch?base=30ms&per_item=2.5ms&max_batch=32&replicas=2&cv=0.08",
        ("p99 response_time <= 250ms",),
    ),
    Family(
        "bounded",
        "A",
        "a queue of 24, and 503 for whoever comes beyond",
        "sim://fifo?servers=8&mean=40ms&cv=0.6&law=lognormal&queue_bound=24",
        ("p99 response_time <= 200ms",),
    ),
    Family(
        "loose",
        "A",
        "slow and loosely limited, as language models are: 1 s of service, 6 s allowed",
        "sim://fifo?servers=16&mean=1s&cv=1&law=lognormal",
        ("p99 response_time <= 6s",),
        loose=True,
        budget_s=7200.0,
    ),
)

_B = (
    Family(
        "mm1",
        "B",
        "one exponential server",
        "sim://mm1?mean={mean}",
        _LIMIT,
        {"mean": _ms(10), "limit": _ms(150)},
    ),
    Family(
        "pareto",
        "B",
        "heavy-tailed service (Pareto 2.2)",
        "sim://pareto?servers={servers}&mean={mean}&tail=2.2",
        _LIMIT,
        {"servers": _count(8), "mean": _ms(40), "limit": _ms(500)},
    ),
    Family(
        "classes",
        "B",
        "two classes of payload: one in ten is heavy",
        "sim://classes?servers={servers}&mean={light}&heavy_mean={heavy}&heavy_ratio=10%&cv=0.3",
        _LIMIT,
        {"servers": _count(8), "light": _ms(20), "heavy": _ms(160), "limit": _ms(500)},
    ),
    Family(
        "decode",
        "B",
        "an LLM decoder, limits on the first token and between tokens",
        "sim://decode?cap={cap}&token={token}&token_per_request={more}&output={output}&prompt={prompt}",
        ("p99 ttft <= {ttft}", "p99 itl <= {itl}"),
        {
            "cap": _count(64),
            "token": _ms(20),
            "more": _ms(0.3),
            "output": _count(120),
            "prompt": _count(500),
            "ttft": _ms(1500),
            "itl": _ms(36),
        },
        budget_s=7200.0,
    ),
    Family(
        "cache",
        "B",
        "a cache that hits more often the higher the rate, so that load falls before it rises",
        "sim://cache?servers=8&hit={hit}&miss={miss}&half={half}&cv=0.6",
        _LIMIT,
        {
            "hit": _ms(10),
            "miss": _ms(160, 1.1),
            "half": Drawn(50.0, 1.1),
            "limit": _ms(1000),
        },
    ),
    Family(
        "autoscaler",
        "B",
        "one to three replicas, each added a minute after it is wanted",
        "sim://autoscaler?servers={servers}&mean={mean}&cv=0.6&least=1&most=3&after=60s",
        _LIMIT,
        {"servers": _count(4), "mean": _ms(40), "limit": _ms(250)},
        budget_s=7200.0,
    ),
    Family(
        "retries",
        "B",
        "clients that give up and try again, three times in all",
        "sim://retry?servers={servers}&mean={mean}&cv=0.6&patience={patience}&backoff=100ms",
        _LIMIT,
        {"servers": _count(8), "mean": _ms(40), "patience": _ms(1000), "limit": _ms(250)},
    ),
    Family(
        "skewed",
        "B",
        "four replicas with a queue each, one of which gets more than its share",
        "sim://fifo?servers={servers}&mean={mean}&cv=0.6&copies=4&skew={skew}",
        _LIMIT,
        {"servers": _count(4), "mean": _ms(40), "skew": Drawn(0.2, 1.5), "limit": _ms(250)},
    ),
    Family(
        "limiter",
        "B",
        "429 for whoever comes faster than a rate",
        "sim://limiter?rate={rate}&burst={burst}&servers=32&mean={mean}&cv=0.6",
        _LIMIT,
        {"rate": Drawn(200.0, 1.5), "burst": _count(20), "mean": _ms(20), "limit": _ms(200)},
    ),
    Family(
        "above",
        "B",
        "carries more than the highest rate that is searched",
        "sim://fifo?servers={servers}&mean={mean}&cv=0.6",
        _LIMIT,
        {"servers": _count(8), "mean": _ms(40), "limit": _ms(250)},
        place="above",
    ),
    Family(
        "below",
        "B",
        "carries less than the lowest rate that is searched",
        "sim://fifo?servers={servers}&mean={mean}&cv=0.6",
        _LIMIT,
        {"servers": _count(8), "mean": _ms(40), "limit": _ms(250)},
        place="below",
    ),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in (*_A, *_B)}
