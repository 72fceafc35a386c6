"""Ask a model for inference by the KServe V2 protocol (Open Inference Protocol) over HTTP.

Options: input (x), shape ([1, 4]), datatype (FP32), bodies (64 different random ones, fewer of
large tensors), or inputs (the request's own list, sent as it is). A recording is drawn again
instead of all of these. By itself: `MODEL=toy locust -f locustfiles/kserve_v2.py --host URL`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from locust import task

from workers.clients.answer import Reply
from workers.clients.inference import InferenceUser, Prepared
from workers.clients.options import is_count, is_text, known, option

INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
DATATYPES = ("BOOL", *INTEGERS, "FP32", "FP64")
"""What JSON can carry as numbers or truth values; give others as `inputs`."""
OPTIONS = ("input", "shape", "datatype", "bodies", "inputs")
BODIES = 64
NUMBERS_KEPT = 1_000_000
"""In all bodies together, unless the goal says how many bodies there are."""
TENSORS = int.from_bytes(b"tensors")
JSON = (("Content-Type", "application/json"),)


class KServeV2User(InferenceUser):
    """One inference per task; an answer with an error in it is a failure, also with status 200."""

    host = "http://127.0.0.1:8000"
    model = os.environ.get("MODEL", "toy")
    ready_paths = ("/v2/health/ready", "/v2/models/{model}/ready")
    _requests: Iterator[Prepared]

    def on_start(self) -> None:
        self._requests = self.drawn(self._made)

    @task
    def infer(self) -> None:
        self.send(next(self._requests), check=fault)

    def _made(self) -> Sequence[Prepared]:
        path = f"/v2/models/{self.model}/infer"
        return self.recorded("POST", path) or [
            self.prepare("POST", path, json.dumps({"inputs": inputs}).encode(), JSON)
            for inputs in _inputs(self.tonnage_options, self.tonnage_seed)
        ]


def fault(reply: Reply) -> str | None:
    """What the server says went wrong, in an answer that claims it did not."""
    if b'"error"' not in reply.body:
        return None
    try:
        answer = json.loads(reply.body)
    except ValueError:
        return "not JSON"
    return "error in the answer" if isinstance(answer, dict) and answer.get("error") else None


def _inputs(given: Mapping[str, Any], seed: int) -> Iterator[list[dict[str, Any]]]:
    """Lists of input tensors: the one given, or random ones of a shape."""
    options = known(given, OPTIONS)
    if options.get("inputs") is not None:
        yield option(options, "inputs", [], _is_tensors, "write a list of input tensors")
        return
    name = option(options, "input", "x", is_text, "write the name of the model's input")
    shape = option(options, "shape", [1, 4], _is_shape, "write positive sizes, such as [1, 4]")
    datatype = option(
        options, "datatype", "FP32", _is_datatype, f"known are {', '.join(DATATYPES)}"
    )
    size = math.prod(shape)
    bodies = option(
        options,
        "bodies",
        max(1, min(BODIES, NUMBERS_KEPT // size)),
        is_count,
        "write how many different bodies there are",
    )
    source = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, TENSORS])))
    for _ in range(bodies):
        data = _data(source, size, datatype)
        yield [{"name": name, "shape": shape, "datatype": datatype, "data": data}]


def _data(source: np.random.Generator, size: int, datatype: str) -> list[Any]:
    if datatype == "BOOL":
        return [bool(n) for n in source.integers(2, size=size)]
    if datatype in INTEGERS:
        return [int(n) for n in source.integers(100, size=size)]
    return [round(float(x), 4) for x in source.standard_normal(size)]


def _is_tensors(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(t, dict) for t in value)


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(is_count(size) for size in value)


def _is_datatype(value: object) -> bool:
    return value in DATATYPES
