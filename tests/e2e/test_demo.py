"""Does the demo find a capacity, put the truth beside it, and say how to go on?"""

import json
from pathlib import Path

import pytest

from tests.helpers.processes import running

pytestmark = pytest.mark.timeout(200)


def test_the_demo_answers_beside_the_truth(tmp_path: Path) -> None:
    result = tmp_path / "demo.json"
    words = ["tonnage", "demo", "--precision", "60%", "--json", str(result)]
    with running("demo", words, tmp_path) as demo:
        status = demo.ended(170)
        said = demo.output()

    assert status == 0, demo.told(said)
    assert said.startswith("API at http://127.0.0.1:")
    assert "answer " in said
    assert "truth " in said
    assert str(result) in said
    assert "tonnage up" in said
    assert json.loads(result.read_text())["status"] == "answered"
