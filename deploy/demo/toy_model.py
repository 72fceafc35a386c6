"""What does the demo model expect, and what does it answer?

A two-layer perceptron over `features` numbers with seeded weights, and the KServe v2 (Open
Inference Protocol) JSON around it. A request carries one row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]

FEATURES = 4
HIDDEN = 32
OUTPUTS = 2
VERSION = "1"


class BadRequest(ValueError):
    """The body is no inference request for this model; the message says what would be."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One row to compute, shape (features,), and the caller's name for it."""

    row: Row
    request_id: str | None


class ToyModel:
    """y = tanh(x W1) W2 with weights drawn from a fixed seed; rows in, rows out."""

    def __init__(self, name: str, features: int = FEATURES) -> None:
        random = np.random.Generator(np.random.Philox(7))
        self.name = name
        self.features = features
        self._hidden = random.standard_normal((features, HIDDEN)).astype(np.float32)
        self._output = random.standard_normal((HIDDEN, OUTPUTS)).astype(np.float32)

    def compute(self, rows: Sequence[Row]) -> list[list[float]]:
        """Outputs of a batch, one list of `OUTPUTS` numbers for each row."""
        outputs: list[list[float]] = (
            np.tanh(np.stack(rows) @ self._hidden) @ self._output
        ).tolist()
        return outputs

    def metadata(self) -> dict[str, object]:
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": "numpy",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, self.features]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, OUTPUTS]}],
        }

    def read(self, body: bytes) -> InferRequest:
        """Check an inference request.

        Raises:
            BadRequest: it is not JSON, or its tensor is not the one in the metadata.
        """
        try:
            document = json.loads(body, parse_constant=_not_a_number)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the body is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise BadRequest("the body must be a JSON object with 'inputs'")
        request_id = document.get("id")
        if request_id is not None and not isinstance(request_id, str):
            raise BadRequest(f"id must be a string, not {request_id!r:.40}")
        inputs = document.get("inputs")
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
            raise BadRequest("inputs must be a list of one tensor, named 'x'")
        return InferRequest(self._row(inputs[0]), request_id)

    def _row(self, tensor: Mapping[str, object]) -> Row:
        expected = [1, self.features]
        if tensor.get("name") != "x":
            raise BadRequest(f"inputs[0].name must be 'x', not {tensor.get('name')!r:.40}")
        if tensor.get("datatype") != "FP32":
            raise BadRequest(
                f"inputs[0].datatype must be 'FP32', not {tensor.get('datatype')!r:.40}"
            )
        if tensor.get("shape") != expected:
            raise BadRequest(f"inputs[0].shape must be {expected}, not {tensor.get('shape')!r:.40}")
        data = tensor.get("data")
        if isinstance(data, list) and len(data) == 1 and isinstance(data[0], list):
            data = data[0]  # nested as the shape says; flat is allowed too
        if not isinstance(data, list) or len(data) != self.features:
            raise BadRequest(f"inputs[0].data must be a list of {self.features} numbers")
        if not all(type(value) in (float, int) and abs(value) < 3e38 for value in data):
            raise BadRequest(
                "inputs[0].data must hold finite numbers that fit FP32, and nothing else"
            )
        return np.array(data, dtype=np.float32)

    def answer(self, outputs: list[float], request_id: str | None) -> bytes:
        """The response body for one row of `compute`."""
        document: dict[str, object] = {"model_name": self.name, "model_version": VERSION}
        if request_id is not None:
            document["id"] = request_id
        tensor = {"name": "y", "shape": [1, OUTPUTS], "datatype": "FP32", "data": outputs}
        document["outputs"] = [tensor]
        return json.dumps(document).encode()


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
