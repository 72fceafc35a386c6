"""Ask a model for inference by the KServe V2 protocol (Open Inference Protocol) over HTTP.

Options: input (x), shape ([1, 4]), datatype (FP32), bodies (64 different random ones), or inputs
(the request's own list, sent as it is). A recording is drawn again instead of all of these.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from locust import task

from workers.clients.answer import Reply
from workers.clients.inference import InferenceUser, Prepared

INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
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
            for inputs in _inputs(dict(self.tonnage_options), self.tonnage_seed)
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


def _inputs(options: dict[str, Any], seed: int) -> Iterator[Any]:
    """Lists of input tensors: the one given, or random ones of a shape."""
    if "inputs" in options:
        yield options["inputs"]
        return
    shape = [int(size) for size in options.get("shape") or (1, 4)]
    datatype = str(options.get("datatype") or "FP32").upper()
    source = np.random.Generator(np.random.Philox(seed))
    for _ in range(int(options.get("bodies") or 64)):
        data = _data(source, math.prod(shape), datatype)
        name = str(options.get("input") or "x")
        yield [{"name": name, "shape": shape, "datatype": datatype, "data": data}]


def _data(source: np.random.Generator, size: int, datatype: str) -> list[Any]:
    if datatype == "BOOL":
        return [bool(n) for n in source.integers(2, size=size)]
    if datatype in INTEGERS:
        return [int(n) for n in source.integers(100, size=size)]
    return [round(float(x), 4) for x in source.standard_normal(size)]
