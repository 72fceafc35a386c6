"""Is every command and option of the programs documented?"""

from __future__ import annotations

import argparse
import re
from typing import Any

import typer

from controller.__main__ import _parser
from controller.settings import Settings
from tests.docs.pages import DOCS, named, section, text
from tonnage.__main__ import app

PAGE = text(DOCS / "command-line.md")
WORKER = (DOCS.parent / "workers" / "__main__.py").read_text(encoding="utf-8")


def commands() -> dict[str, set[str]]:
    """Options of every command."""
    group: Any = typer.main.get_command(app)
    return {name: options_of(command) for name, command in group.commands.items()}


def options_of(command: Any) -> set[str]:
    named = [option for parameter in command.params for option in parameter.opts]
    return {option for option in named if option.startswith("--")} - {"--help"}


def page_of(command: str) -> str:
    heading = re.search(rf"^## tonnage {command}\b.*$", PAGE, re.MULTILINE)
    assert heading is not None, f"{command} is not documented"
    return section(PAGE, heading[0])


def options_on(page: str) -> set[str]:
    return {name for name in named(page) if name.startswith("--")}


def test_every_command_has_its_section() -> None:
    documented = set(re.findall(r"^## tonnage (\w+)", PAGE, re.MULTILINE))
    assert documented == set(commands())


def test_every_option_of_a_command_is_documented() -> None:
    own = {name: options for name, options in commands().items() if options}
    assert "search" in own
    assert {name: options_on(page_of(name)) for name in own} == own


def test_every_option_of_a_controller_is_documented() -> None:
    commands = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    serve = commands.choices["serve"]
    given = {option for action in serve._actions for option in action.option_strings}
    assert options_on(page_of("controller")) == given - {"-h", "--help"}


def test_every_setting_of_a_controller_is_documented() -> None:
    page = page_of("controller")
    names = {f"TONNAGE_{name.upper()}" for name in Settings.model_fields}
    assert not {name for name in names if f"`{name}`" not in page}


def test_every_option_of_a_worker_is_documented() -> None:
    # Read, not imported: the module patches the whole process for gevent.
    given = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', WORKER))
    assert given
    assert options_on(page_of("worker")) == given
