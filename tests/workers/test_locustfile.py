"""Is a person told at once what of a locustfile cannot work, and what will not count?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.engines import Bench
from workers.headers import resolve_headers
from workers.order import CannotPrepare

ASKER = """
from locust import LoadTestShape, TaskSet, User, between, task
class Asker(User):
    @task
    def ask(self): pass
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_of_that_name\n", "asker.py:1: ModuleNotFoundError: No module named"),
        ("\n\ndef (:\n", "asker.py:3: SyntaxError"),
        (
            "def f():\n    raise ValueError('bad\\nthing')\nf()\n",
            "asker.py:2: ValueError: bad thing",
        ),
        ("import sys\nsys.exit(3)\n", "asker.py:2: SystemExit: 3"),
        ("x = 1\n", "asker.py defines no User class"),
        ("from locust import User\nclass Asker(User): pass\n", "Asker has no tasks"),
        (ASKER + "    def run(self): pass\n", "Asker overrides run()"),
        (
            ASKER
            + "    @task\n    class Own(TaskSet):\n        def execute_task(self, task): pass\n",
            "Own overrides execute_task()",
        ),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_sentence(bench: Bench, text: str, says: str) -> None:
    with pytest.raises(CannotPrepare) as raised:
        bench.load(text)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_and_an_absent_file_are_told_apart(bench: Bench) -> None:
    with pytest.raises(CannotPrepare, match="user 'nonsense' is not known: write one of"):
        bench.load(ASKER, user="nonsense")
    with pytest.raises(CannotPrepare, match=r"user './absent.py' is not a file"):
        bench.load(ASKER, user="./absent.py")


def test_options_must_be_a_json_object(bench: Bench) -> None:
    for options in ("[1]", "{"):
        with pytest.raises(CannotPrepare, match="options"):
            bench.load(ASKER, options=options)


def test_what_has_no_meaning_is_warned_about_by_name(bench: Bench) -> None:
    loaded = bench.load(
        ASKER
        + """
    wait_time = between(1, 2)
    fixed_count = 3
    @task
    class Forum(TaskSet):
        wait_time = between(1, 2)
        @task
        def read(self): pass
class Steps(LoadTestShape):
    def tick(self): return None
"""
    )
    assert sorted(warning.split(" has no effect")[0] for warning in loaded.warnings) == [
        "Steps (a LoadTestShape)",
        "fixed_count of Asker",
        "wait_time of Asker",
        "wait_time of Forum",
    ]


def test_an_ordinary_locustfile_gives_no_warning_and_its_hash(bench: Bench) -> None:
    loaded = bench.load(ASKER)
    assert loaded.warnings == ()
    assert len(loaded.sha256) == 64
    assert bench.load(ASKER).sha256 == loaded.sha256
    assert bench.load(ASKER + "\n").sha256 != loaded.sha256


def test_arguments_of_the_locustfile_have_their_defaults_or_the_goals_options(
    bench: Bench,
) -> None:
    text = (
        ASKER
        + """
from locust import events
@events.init_command_line_parser.add_listener
def add(parser):
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--kind", default="dense")
seen = []
@events.init.add_listener
def init(environment, **_):
    seen.append((environment.parsed_options.rows, environment.parsed_options.kind))
"""
    )
    bench.load(text, options='{"rows": 9}')
    assert bench.module().seen == [(9, "dense")]


def test_names_in_headers_stand_for_values_of_the_environment() -> None:
    headers = (("Authorization", "Bearer ${A}${B}"), ("X", "$A {B}"))
    assert resolve_headers(headers, {"A": "1", "B": "2"}) == {
        "Authorization": "Bearer 12",
        "X": "$A {B}",
    }
