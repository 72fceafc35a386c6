"""Are recorded times read whatever form they have, and what cannot be replayed refused by its line?"""

import json
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.arrivals import ArrivalsError
from contract.recorded import FEWEST, Recorded, parse_times

SECONDS = np.cumsum(np.random.default_rng(7).exponential(0.25, 400))


def lines(*values: object) -> bytes:
    return "\n".join(map(str, values)).encode()


def as_json(field: str, per_s: float) -> bytes:
    return lines(*(json.dumps({"size": 3, field: round(t * per_s)}) for t in SECONDS))


def as_jittered() -> bytes:
    """Stamps 3 s apart, give or take one of their ms."""
    stamps = [3000 * int(t / 3) + int(t / 3) % 2 for t in SECONDS]
    return lines(*(json.dumps({"timestamp": stamp}) for stamp in stamps))


def as_text() -> bytes:
    begin = datetime.fromisoformat("2023-11-16T18:17:03+01:00")
    stamps = ((begin + timedelta(seconds=float(t))).isoformat() for t in SECONDS)
    return lines(*(json.dumps({"TIMESTAMP": stamp}) for stamp in stamps))


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (lines(*SECONDS), True),
        (b"\xef\xbb\xbf" + lines(*SECONDS) + b"\r\n\n", True),
        (as_json("t_ns", 1e9), True),
        (as_json("timestamp_us", 1e6), True),
        (as_json("t_ms", 1e3), True),
        (as_json("timestamp", 1e6), False),
        (as_text(), True),
    ],
    ids=["numbers", "with blank lines", "ns", "us", "ms", "unit not told", "ISO 8601"],
)
def test_times_are_read_in_every_form(data: bytes, known: bool) -> None:
    recorded = parse_times(data)
    scale = (SECONDS[-1] - SECONDS[0]) / recorded.since_first[-1]
    assert recorded.since_first * scale == pytest.approx(SECONDS - SECONDS[0], abs=2e-3)
    rate = 399 / (SECONDS[-1] - SECONDS[0])
    assert recorded.rate_per_s == (pytest.approx(rate, rel=1e-4) if known else None)


def test_whole_nanoseconds_since_1970_are_kept() -> None:
    stamps = [1_700_000_000_000_000_000 + 7 * k * k for k in range(FEWEST)]
    data = lines(*(json.dumps({"t_ns": stamp}) for stamp in stamps))
    assert parse_times(data).since_first.tolist() == [7.0 * k * k for k in range(FEWEST)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no times: write one number of seconds"),
        (lines(*range(12)), "12 times are too few: record at least 100"),
        (lines(1, "abc"), "line 2: 'abc' is neither a number nor JSON"),
        (lines(1, "", '"abc"'), "line 3: 'abc' is not a time"),
        (lines(1, "true"), "line 2: 'True' is not a time"),
        (lines(1, "NaN"), "line 2: 'nan' is not a time"),
        (lines(1, "9" * 400), "line 2: '9999"),
        (lines(3, 2), "line 2: '2' is before '3': sort the lines by time"),
        (lines('{"a": 1}'), "line 1: no field has the time: name it t_s, t_ms"),
        (lines('{"t_s": 1}', '{"t": 2}'), "line 2: .* has no t_s, as line 1 has"),
        (lines('{"t_s": 1}', "2"), "line 2: '2' has no t_s"),
        (lines('{"t": "noon"}'), "line 1: 'noon' is not a time: write ISO 8601"),
        (lines(*[5] * 200), "all times are the same"),
        (lines(*range(150), "12 13"), "line 151: '12 13' is neither"),
        (lines(*range(150), "inf"), "line 151: 'inf' is neither"),
        (lines(*range(150), 3), "line 151: '3' is before '149'"),
        (b"\xff\xfe", "line 1: .* is neither a number nor JSON"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_its_line(data: bytes, says: str) -> None:
    with pytest.raises(ArrivalsError, match=says):
        parse_times(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (lines(*np.floor(SECONDS)), "on a grid of 1 s, where many share one"),
        (as_json("t_ms", 0.5), "on a grid of 1 ms"),
        (as_jittered(), "on a grid of 3000, where many share one"),
    ],
)
def test_a_coarse_clock_is_refused_with_its_grid(data: bytes, says: str) -> None:
    with pytest.raises(ArrivalsError, match=says):
        parse_times(data)


def test_requests_that_did_come_together_are_no_grid() -> None:
    together = np.sort(np.concatenate((SECONDS, SECONDS[::3])))
    assert len(parse_times(lines(*together)).since_first) == len(together)
    assert len(parse_times(lines(*(0.01 * np.arange(200)))).since_first) == 200


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_an_arrivals_error(data: bytes) -> None:
    try:
        parse_times(data)
    except ArrivalsError:
        return


def test_the_unit_times_go_on_for_ever_with_a_mean_gap_of_one() -> None:
    recorded = Recorded(SECONDS - SECONDS[0], None)
    chunks = recorded.unit_times((1, 3))
    times = np.concatenate([next(chunks) for _ in range(3)])
    assert times[0] >= 0
    assert (np.diff(times) >= 0).all()
    assert times[4000 + 400 * 10] - times[4000] == pytest.approx(4000)
