"""Does the toy model compute, and does it say what is wrong with a body?"""

import json

import numpy as np
import pytest

from deploy.demo.toy_model import BadRequest, ToyModel

TENSOR = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2.5, 3, -4]}
MODEL = ToyModel("toy")


def body(tensor: object = None, **more: object) -> bytes:
    return json.dumps({"inputs": [TENSOR if tensor is None else tensor], **more}).encode()


def test_a_row_is_computed_alike_in_any_batch() -> None:
    row = MODEL.read(body()).row
    alone = MODEL.compute([row])[0]
    among = MODEL.compute([np.zeros(4, dtype=np.float32), row, -row])[1]
    assert alone == pytest.approx(among, rel=1e-5)
    assert alone != pytest.approx([0.0, 0.0])


def test_nested_and_flat_data_are_the_same_row() -> None:
    nested = MODEL.read(body({**TENSOR, "data": [[1, 2.5, 3, -4]]}))
    assert nested.row.tolist() == MODEL.read(body()).row.tolist() == [1, 2.5, 3, -4]


def test_the_answer_has_the_shape_of_the_metadata_and_the_callers_id() -> None:
    answer = json.loads(MODEL.answer([0.5, -1.0], "r7"))
    assert answer == {
        "model_name": "toy",
        "model_version": "1",
        "id": "r7",
        "outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [0.5, -1.0]}],
    }
    assert "id" not in json.loads(MODEL.answer([0.5, -1.0], None))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "JSON object"),
        (b'{"inputs": []}', "one tensor"),
        (body(id=7), "id must be a string"),
        (body({**TENSOR, "name": "z"}), "name must be 'x', not 'z'"),
        (body({**TENSOR, "datatype": "INT8"}), "datatype must be 'FP32', not 'INT8'"),
        (body({**TENSOR, "shape": [2, 4]}), r"shape must be \[1, 4\], not \[2, 4\]"),
        (body({**TENSOR, "data": [1, 2]}), "a list of 4 numbers"),
        (body({**TENSOR, "data": [1, 2, 3, "4"]}), "finite numbers"),
        (body({**TENSOR, "data": [1, 2, 3, True]}), "finite numbers"),
        (body({**TENSOR, "data": [1, 2, 3, 1e300]}), "finite numbers"),
        (body({**TENSOR, "data": [1, 2, 3, float("nan")]}), "NaN"),
    ],
)
def test_a_wrong_body_is_refused_by_field(wrong: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        MODEL.read(wrong)
