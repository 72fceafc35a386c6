"""Does the page on locustfiles name the users that ship, and is its example one?"""

from __future__ import annotations

import ast
import json

from contract.recording import KEYS, parse_recording
from tests.docs.pages import DOCS, ROOT, blocks, named, section, text

PAGE = text(DOCS / "locustfiles.md")


def test_every_user_that_ships_is_documented() -> None:
    files = {path.stem for path in (ROOT / "locustfiles").glob("[!_]*.py")}
    assert named(section(PAGE, "## The users that come with Tonnage")) == files


def test_the_example_is_python() -> None:
    (example,) = blocks(PAGE, "python")
    names = {node.name for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ClassDef)}
    assert names == {"Shopper"}


def test_the_example_of_a_recording_has_every_key() -> None:
    (example,) = blocks(PAGE, "json")
    assert set(json.loads(example)) == set(KEYS)
    assert parse_recording(example.encode())[0].name == "infer"
