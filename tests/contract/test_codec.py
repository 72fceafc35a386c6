"""A message survives the wire unchanged, and whatever is not a message is refused by name."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import codec
from contract.arrivals import Law
from contract.codec import ContractError, decode, encode
from contract.connections import Connections
from contract.latency import Histogram
from contract.messages import Drained, Hello, Plan, Prepare, Ready, Stop
from contract.packed import CELL, ROW, PackedReport
from contract.report import Connected, DueBucket, Health, InFlight, Ledger, Report, Tick
from contract.units import Rate, Seconds

MORE: dict[str, Any] = {
    "phases": (("connect", Histogram.of([0.001])), ("tls", Histogram.of([0.002, 0.01]))),
    "connections": (Connected("10.0.0.5:80", 4, 6, 2, 1),),
}


def a_report(sequence: int = 3) -> Report:
    return Report(
        run="r1",
        fence=7,
        probe=2,
        worker="w1",
        boot="b",
        sequence=sequence,
        through_ns=500_000_000,
        through_index=41,
        totals=Ledger(scheduled=10, sent=9, missed=1, succeeded=7, failed=1, in_flight=1),
        buckets=(
            DueBucket(
                index=1,
                scheduled=5,
                sent=5,
                succeeded=4,
                failed=1,
                judged=(5, 5),
                bad=(1, 1),
                bad_any=1,
                response_time=Histogram.of([0.02, 0.03, 0.2]),
            ),
        ),
        ticks=(Tick(12, 3, 1), Tick(12, 1, 0, replica=1)),
        in_flight=(InFlight(1, 1, (0, 1)),),
        send_lag=Histogram.of([0.0001]),
        requests=8,
        errors=(("HTTP 503", 1),),
        health=Health(
            cpu_ratio=0.4,
            note="short of files",
            send_lag_p99_s=0.02,
            refused=(("EMFILE", 212), ("ECONNREFUSED", 1)),
            rss_bytes=120_000_000,
            busiest="10.0.0.5:80",
        ),
        replicas=("pod-7",),
        **MORE,
    )


MESSAGES: list[codec.Message] = [
    Hello(
        "w1",
        "b",
        "host",
        12,
        "0.1.0",
        Rate(3000.0),
        targets=("127.0.0.1:80",),
        kinds=(("InferenceUser", Rate(3000.0)), ("HttpUser", Rate(600.5))),
    ),
    Prepare(
        run="r1",
        fence=7,
        workers=("w1", "w2"),
        user="kserve_v2",
        targets=("http://127.0.0.1:80",),
        model=None,
        headers=(("Authorization", "${TOKEN}"),),
        options="{}",
        requests_sha256=None,
        objectives=("p99 response_time <= 150ms",),
        timeout_s=Seconds(1.5),
        seed=1,
        allowed_targets=("127.0.0.1:80",),
        max_rate=Rate(2000.0),
        check_by="w1",
        replica_header="x-replica",
        connections=Connections(
            "random", 400, 100, Seconds(10.0), "ranker.internal", "ab" * 32, "${C}", "${K}", True
        ),
        times_sha256="f" * 64,
        bundle_sha256="b" * 64,
    ),
    Ready("r1", 7, "w1", "b", error="no module named torch"),
    Plan(
        run="r1",
        fence=7,
        probe=2,
        workers=("w1", "w2"),
        epoch_us=1_700_000_000_000_000,
        law=Law("gamma", cv=2.0),
        seed=1,
        rate=Rate(100.0),
        ramp_s=Seconds(1.0),
        ramp_from=Rate(5.0),
        duration_s=Seconds(10.0),
        in_flight_cap=100,
        rate_ceiling=Rate(1050.0),
        streams=12,
        weights=(4096, 1024),
        profile=((0.0, 1.0), (60.0, 1.5)),
    ),
    Stop("r1", 7, ("w1",), None, "aborted"),
    Drained("r1", 7, 2, "w1", "b", Ledger(scheduled=1, sent=1, succeeded=1), 9, "the plan ended"),
    a_report(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_message_survives_the_wire(message: codec.Message) -> None:
    assert decode(encode(message)) == message


def test_every_kind_of_message_is_among_the_examples() -> None:
    assert {type(m) for m in MESSAGES} == {*codec.KINDS.values(), Report} - {PackedReport}


def test_the_bytes_of_a_stop_are_these_so_that_a_change_of_the_wire_is_noticed() -> None:
    stop = Stop("r1", 7, ("w1",), 2, "x")

    assert encode(stop).hex() == "9803a473746f70a2723107" + "91a27731" + "02" + "a178" + "a0"


def _with(index: int, value: Any) -> bytes:
    parts = msgpack.unpackb(encode(Stop("r1", 7, ("w1",), 2, "x")))
    parts[index] = value
    packed: bytes = msgpack.packb(parts)
    return packed


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not msgpack"),
        (b"\xc1", "not msgpack"),
        (msgpack.packb({"kind": "stop"}), "not a message"),
        (_with(0, 1), "version 1"),
        (_with(1, "obey"), "unknown message kind 'obey'"),
        (_with(1, ["stop"]), "unknown message kind"),
        (_with(2, 5), "stop.run: expected str"),
        (_with(3, "7"), "stop.fence: expected int"),
        (_with(3, True), "stop.fence: expected int"),
        (_with(4, "w1"), "stop.workers: expected a list"),
        (_with(4, [1]), "stop.workers: expected str"),
        (msgpack.packb([codec.VERSION, "stop", "r1"]), "stop: expected 6 fields, got 1"),
    ],
)
def test_anything_else_is_refused_with_the_field_named(data: bytes, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        decode(data)


def _report_with(name: str, data: bytes) -> bytes:
    parts = msgpack.unpackb(encode(a_report()))
    parts[2 + [f.name for f in fields(PackedReport)].index(name)] = data
    whole: bytes = msgpack.packb(parts)
    return whole


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("bucket_bytes", b"123", "buckets: 3 bytes are no rows of 15 numbers"),
        ("tick_bytes", _number(1) * 5, "ticks: 20 bytes are no rows of 4 numbers"),
        ("in_flight_bytes", _number(1) * 3, "in_flight: 12 bytes are no rows of 4 numbers"),
        ("row_bytes", b"123", "rows: 3 bytes"),
        ("row_bytes", ROW.itemsize * b"\xff", "rows: min_s and max_s are not times"),
        ("cell_bytes", CELL.itemsize * b"\xff", "cells: one is of no histogram"),
        ("cell_bytes", b"", "empty, or names a bucket twice"),
    ],
)
def test_tables_that_make_no_sense_are_refused_with_their_name(
    name: str, data: bytes, says: str
) -> None:
    with pytest.raises(ContractError, match=f"report.*{says}"):
        decode(_report_with(name, data))


def test_a_report_whose_counts_do_not_fit_is_not_sent() -> None:
    for wrong in (
        replace(a_report(), ticks=(Tick(2**31, 1, 0),)),
        replace(a_report(), in_flight=(InFlight(0, 1),)),
    ):
        with pytest.raises(ContractError, match="report: "):
            encode(wrong)


def test_a_value_the_type_does_not_allow_is_refused() -> None:
    parts = msgpack.unpackb(encode(MESSAGES[3]))
    parts[2 + 5][0] = "uniform"

    with pytest.raises(ContractError, match=r"plan\.law\.kind: 'uniform'"):
        decode(msgpack.packb(parts))


def test_a_message_over_the_limit_is_refused_on_both_sides() -> None:
    with pytest.raises(ContractError, match="over the limit"):
        encode(Ready("r1", 7, "w1", "b", error="x" * codec.MAX_BYTES))
    with pytest.raises(ContractError, match="over the limit"):
        decode(b"\x00" * (codec.MAX_BYTES + 1))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_contract_error(data: bytes) -> None:
    try:
        decode(data)
    except ContractError:
        return


@given(st.data())
def test_no_altered_report_raises_anything_but_a_contract_error(data: st.DataObject) -> None:
    packed = bytearray(encode(a_report()))
    for _ in range(3):
        place = data.draw(st.integers(0, len(packed) - 1))
        packed[place] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(packed))
    except ContractError:
        return
