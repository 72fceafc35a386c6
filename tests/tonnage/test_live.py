"""Do people and logs see what happens, once, in lines that can be read alone?"""

import io

import pytest
from rich.console import Console

from tests.tonnage.documents import current, probe, view
from tonnage.live import Lines, LivePanel, measuring, spending, standing, verdict, watching


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(out: io.StringIO) -> Lines:
    return Lines(Console(file=out, width=60))


def test_each_state_note_and_probe_is_told_once(lines: Lines, out: io.StringIO) -> None:
    note = {"at": 1.0, "text": "worker w1 was lost"}
    first, second = probe(0, 50.0, "pass"), probe(1, 90.0, "fail")
    lines.draw(view(state="preflight"))
    lines.draw(view(notes=[note], probes=[first]))
    lines.draw(view(notes=[note], probes=[first]))
    lines.draw(view(notes=[note], probes=[first, second]))
    told = out.getvalue()
    assert told.count("ranker: preflight") == 1
    assert told.count("ranker: running") == 1
    assert told.count("worker w1 was lost") == 1
    assert told.count("probe 0 (bracket): 50.0/s pass: because of 0") == 1
    assert told.count("probe 1 (bracket): 90.0/s fail: because of 1") == 1


def test_the_same_note_at_another_time_is_another_note(lines: Lines, out: io.StringIO) -> None:
    lines.draw(view(notes=[{"at": 1.0, "text": "lost"}, {"at": 2.0, "text": "lost"}]))
    assert out.getvalue().count("lost") == 2


def test_a_line_stays_one_line_however_narrow_the_output(lines: Lines, out: io.StringIO) -> None:
    lines.draw(view(probes=[probe(0, 50.0, "pass", reason="very long " * 30)]))
    assert len(out.getvalue().splitlines()) == 2


def test_the_probe_in_progress_is_not_told_with_every_view(
    lines: Lines, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [100.0]
    monkeypatch.setattr("tonnage.live.time.monotonic", lambda: now_s[0])
    for now_s[0] in (100.0, 101.0, 104.9, 105.0):
        lines.draw(view(**current(3, 80.0)))
    assert out.getvalue().count("probe 3 (warm-up): 80.0/s") == 2


def test_the_probe_in_progress_shows_its_health_and_the_signals() -> None:
    document = view(**current(3, 80.0))
    assert "healthy" not in measuring(document)
    document["curve"][0] |= {"health": "warn", "signals": {"gpu_utilization": 0.8125}}
    assert measuring(document).endswith("3 in flight, warn, gpu_utilization 0.812")


def test_markup_in_a_reason_is_text(lines: Lines, out: io.StringIO) -> None:
    lines.draw(view(probes=[probe(0, 50.0, "pass", reason="[red]x[/red] [/]")]))
    assert "[red]x[/red] [/]" in out.getvalue()


def test_the_standing_names_interval_and_bracket() -> None:
    decided = [probe(0, 50.0, "pass"), probe(1, 90.0, "fail"), probe(2, 70.0, "pass")]
    assert standing(view(probes=decided)) == "no interval yet · passed 70.0/s, failed 90.0/s"
    known = view(probes=decided, estimate=80.0, low=75.0, high=85.0)
    assert standing(known).startswith("capacity about 80.0/s, 90 % in 75.0–85.0/s")


def test_void_probes_and_the_search_for_the_scale_bracket_nothing() -> None:
    decided = [probe(0, 50.0, "pass", purpose="scale"), probe(1, 90.0, "void")]
    assert standing(view(probes=decided)) == "no interval yet · passed –/s, failed –/s"


def test_a_failure_below_what_passed_is_no_ceiling() -> None:
    decided = [probe(0, 50.0, "fail"), probe(1, 90.0, "pass")]
    assert standing(view(probes=decided)).endswith("passed 90.0/s, failed –/s")


def test_spending_says_what_is_spent_and_what_is_left() -> None:
    assert spending(view()) == "1min and 1,234 requests spent, at most 9min left"
    assert spending(view(budget_s=30.0)).endswith("at most 0s left")


def test_the_measurement_shows_a_dash_where_there_is_no_number() -> None:
    assert measuring(view(**current(3, 80.0))) == (
        "probe 3 (warm-up): 80.0/s, offered 80, achieved 79/s, p50 20, p90 31, p99 – ms, "
        "3 in flight"
    )


def test_before_the_first_slice_the_reason_of_the_probe_is_told() -> None:
    begun = view(**{**current(3, 80.0), "curve": []})
    assert measuring(begun) == "probe 3 (warm-up): 80.0/s: to warm it"
    assert measuring(view()) == ""


def test_a_verdict_is_one_line() -> None:
    assert verdict(probe(4, 12.34, "void")) == "probe 4 (bracket): 12.3/s void: because of 4"


def test_a_terminal_gets_a_panel_and_a_pipe_gets_lines(out: io.StringIO) -> None:
    with watching(Console(file=out)) as watch:
        assert isinstance(watch, Lines)
    terminal = Console(file=out, force_terminal=True, width=120)
    with watching(terminal) as watch:
        assert isinstance(watch, LivePanel)
        decided = [probe(0, 50.0, "pass"), probe(1, 90.0, "fail"), probe(2, 70.0, "void")]
        watch.draw(view(probes=decided, **current(3, 80.0)))
        watch.say("redis ended; starting it again")
    told = out.getvalue()
    assert "ranker · running" in told
    assert "because of 2" in told
    assert "redis ended; starting it again" in told


def test_a_soak_says_how_long_it_has_held_instead_of_an_interval() -> None:
    goal = {"search": {"strategy": "soak", "rate": "200/s"}}
    cost = {"seconds": 603.0, "requests": 120_000, "bad_requests": 7}
    held = [
        probe(2, 200.0, "pass", purpose="soak", **cost),
        probe(3, 200.0, "void", purpose="soak", **cost),
        probe(4, 200.0, "pass", purpose="soak", **cost),
    ]
    assert standing(view(goal=goal, probes=[probe(1, 200.0, "pass")])) == "not soaking yet"
    said = standing(view(goal=goal, probes=held))
    assert said == "held 200.0/s for 20min6s: 14 of 240,000 requests bad"
