"""Which families of simulated targets are there, and what describes them?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.errors import Fault
from controller.sim.batch import Batches, Batching
from controller.sim.caching import Cached, Caching
from controller.sim.decode import Sharing, Together
from controller.sim.fifo import Drawn, Fifo
from controller.sim.laws import LAWS, Law, Mixed
from controller.sim.limiting import Limited
from controller.sim.pace import Pace
from controller.sim.parameters import (
    CONDITIONS,
    QUEUE_BOUND,
    SHORTEST_S,
    Parameter,
    Values,
    duration,
    number,
    ratio,
    whole,
    word,
)
from controller.sim.retrying import Retried, Retrying
from controller.sim.scaling import Scaled, Scaling
from controller.sim.serving import Family

Check = Callable[[Values, Mapping[str, str]], tuple[Fault, ...]]


def _nothing(values: Values, given: Mapping[str, str]) -> tuple[Fault, ...]:  # noqa: ARG001
    return ()


@dataclass(frozen=True, slots=True)
class Described:
    """A kind of target: what it is described by, and how it is made of that, a seed and a pace."""

    own: Mapping[str, Parameter]
    make: Callable[[Values, int, Pace], Family]
    check: Check = _nothing

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Its own, then those of every family."""
        return {**self.own, **CONDITIONS}


def _law(values: Values) -> Law:
    return Law(values["mean"], values["cv"], LAWS[int(values["law"])], values["tail"])


def _bound(values: Values) -> int:
    return int(values["queue_bound"])


def _batch(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001 - all take the same
    shape = Batching(
        base_s=values["base"],
        per_item_s=values["per_item"],
        max_batch=int(values["max_batch"]),
        replicas=int(values["replicas"]),
        queue_bound=_bound(values),
        cv=values["cv"],
    )
    return Batches(shape, seed)


def _batch_takes_time(values: Values, given: Mapping[str, str]) -> tuple[Fault, ...]:
    if values["base"] + values["per_item"] > 0:
        return ()
    fix = "a batch must take time: write base or per_item above 0, such as 20ms"
    return (Fault("target: base", repr(given["base"]), fix),)


def _fifo(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    return Fifo(int(values["servers"]), _bound(values), Drawn(_law(values).draws(seed)))


def _pareto(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    law = Law(values["mean"], name="pareto", tail=values["tail"])
    return Fifo(int(values["servers"]), _bound(values), Drawn(law.draws(seed)))


def _mm1(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    return Fifo(1, 0, Drawn(Law(values["mean"]).draws(seed)))


def _classes(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    light = Law(values["mean"], values["cv"])
    heavy = Law(values["heavy_mean"], values["cv"])
    mixed = Mixed(light, heavy, values["heavy_ratio"])
    return Fifo(int(values["servers"]), _bound(values), Drawn(mixed.draws(seed)))


def _ps(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    shape = Sharing(0.0, 1.0 / values["servers"], 1.0, int(values["cap"]), _bound(values))
    return Together(shape, _law(values).draws(seed))


def _decode(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    shape = Sharing(
        base_s=values["token"],
        per_request_s=values["token_per_request"],
        cap=int(values["cap"]),
        queue_bound=_bound(values),
        prompts_per_step=values["prompts_per_step"],
    )
    outputs = Law(values["output"], values["output_cv"], "lognormal").draws(seed)
    prompts = Law(values["prompt"], values["prompt_cv"], "lognormal").draws(seed, "prompts")
    return Together(shape, outputs, prompts)


def _cache(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    shape = Caching(
        values["hit"], values["miss"], values["half"], values["sharpness"], values["memory"]
    )
    return Fifo(int(values["servers"]), _bound(values), Cached(shape, values["cv"], seed))


def _autoscaler(values: Values, seed: int, pace: Pace) -> Family:  # noqa: ARG001
    shape = Scaling(
        per_replica=int(values["servers"]),
        least=int(values["least"]),
        most=int(values["most"]),
        up=values["up"],
        down=values["down"],
        after_s=values["after"],
    )
    return Scaled(shape, Law(values["mean"], values["cv"]).draws(seed))


def _scales_somewhere(values: Values, given: Mapping[str, str]) -> tuple[Fault, ...]:
    if values["least"] <= values["most"]:
        return ()
    fix = f"write at least least, {values['least']:.0f}"
    return (Fault("target: most", repr(given.get("most", "")), fix),)


def _retry(values: Values, seed: int, pace: Pace) -> Family:
    shape = Retrying(
        int(values["servers"]), values["patience"], values["backoff"], int(values["attempts"])
    )
    return Retried(shape, pace, _law(values).draws(seed))


def _limiter(values: Values, seed: int, pace: Pace) -> Family:
    return Limited(values["rate"], int(values["burst"]), _fifo(values, seed, pace))


_MEAN = duration(SHORTEST_S, None, "40ms")
_CV = number(0.0, 10.0, None, "0.6")
_SERVERS = {"servers": whole(1, None, "8", most=10_000)}
_TAIL = number(1.05, 10.0, 2.2, "2.2")
_LAW: Mapping[str, Parameter] = {
    "mean": _MEAN,
    "cv": number(0.0, 10.0, 1.0, "0.6"),
    "law": word(*LAWS),
    "tail": _TAIL,
}

FAMILIES: Mapping[str, Described] = {
    "batch": Described(
        {
            "base": duration(0.0, None, "20ms"),
            "per_item": duration(0.0, None, "2.5ms"),
            "max_batch": whole(1, None, "16"),
            "replicas": whole(1, 1, "2", most=1000),
            "cv": number(0.0, 2.0, 0.0, "0.08"),
            **QUEUE_BOUND,
        },
        _batch,
        _batch_takes_time,
    ),
    "fifo": Described({**_SERVERS, **_LAW, "cv": _CV, **QUEUE_BOUND}, _fifo),
    "mm1": Described({"mean": _MEAN}, _mm1),
    "pareto": Described({**_SERVERS, "mean": _MEAN, "tail": _TAIL, **QUEUE_BOUND}, _pareto),
    "classes": Described(
        {
            **_SERVERS,
            "mean": _MEAN,
            "heavy_mean": duration(SHORTEST_S, None, "400ms"),
            "heavy_ratio": ratio("10%", default=0.1),
            "cv": _CV,
            **QUEUE_BOUND,
        },
        _classes,
    ),
    "ps": Described(
        {"servers": whole(1, 1, "4"), **_LAW, "cap": whole(1, 0, "32"), **QUEUE_BOUND}, _ps
    ),
    "decode": Described(
        {
            "cap": whole(1, None, "64"),
            "token": duration(SHORTEST_S, None, "20ms"),
            "token_per_request": duration(0.0, None, "0.3ms"),
            "output": number(1.0, 1e5, None, "120"),
            "output_cv": number(0.0, 5.0, 0.8, "0.8"),
            "prompt": number(1.0, 1e6, None, "500"),
            "prompt_cv": number(0.0, 5.0, 0.8, "0.8"),
            "prompts_per_step": number(1.0, 1e6, 100.0, "100"),
            **QUEUE_BOUND,
        },
        _decode,
    ),
    "cache": Described(
        {
            **_SERVERS,
            "hit": duration(SHORTEST_S, None, "10ms"),
            "miss": duration(SHORTEST_S, None, "80ms"),
            "half": number(1e-3, 1e6, None, "60"),
            "sharpness": number(0.1, 10.0, 2.0, "2"),
            "memory": duration(0.1, 10.0, "10s"),
            "cv": number(0.0, 10.0, 1.0, "0.6"),
            **QUEUE_BOUND,
        },
        _cache,
    ),
    "autoscaler": Described(
        {
            **_SERVERS,
            "mean": _MEAN,
            "cv": _CV,
            "least": whole(1, 1, "1", most=1000),
            "most": whole(1, None, "4", most=1000),
            "up": ratio("70%", default=0.7),
            "down": ratio("25%", default=0.25),
            "after": duration(5.0, 60.0, "60s"),
        },
        _autoscaler,
        _scales_somewhere,
    ),
    "retry": Described(
        {
            **_SERVERS,
            **_LAW,
            "patience": duration(SHORTEST_S, None, "1s"),
            "backoff": duration(0.0, 0.0, "100ms"),
            "attempts": whole(1, 3, "3", most=20),
        },
        _retry,
    ),
    "limiter": Described(
        {
            **_SERVERS,
            **_LAW,
            "rate": number(1e-3, 1e6, None, "150"),
            "burst": whole(1, None, "20"),
            **QUEUE_BOUND,
        },
        _limiter,
    ),
}
