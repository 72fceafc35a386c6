"""Nobody without the key aims the fleet: unsigned, forged, replayed and old messages are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.signing import Door, FleetKey, KeyInvalid, Untrusted, is_sealed, key_of

OURS = FleetKey("our key of more than thirty-two characters")
THEIRS = FleetKey("another key, as long as the first, but not it")
NOW_US = 1_790_000_000_000_000


def opened(data: bytes, now_us: int | None = NOW_US, key: FleetKey | None = OURS) -> bytes:
    return Door(key).control(data, now_us)[0]


@given(st.binary(max_size=300))
def test_what_was_sealed_with_our_key_is_opened_as_it_was(message: bytes) -> None:
    assert opened(OURS.sealed(message, NOW_US)) == message


@given(st.data())
def test_no_byte_of_a_signed_message_can_be_changed(data: st.DataObject) -> None:
    sealed = bytearray(OURS.sealed(b"a plan for 100/s", NOW_US))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Untrusted):
        opened(bytes(sealed))


@given(st.binary(max_size=100))
def test_a_worker_with_a_key_takes_nothing_unsigned(message: bytes) -> None:
    with pytest.raises(Untrusted):
        opened(message)


def test_a_worker_without_a_key_takes_what_is_unsigned_and_nothing_else() -> None:
    assert opened(b"\x93plan", key=None) == b"\x93plan"
    with pytest.raises(Untrusted, match="this worker has no TONNAGE_FLEET_KEY"):
        opened(OURS.sealed(b"plan", NOW_US), key=None)


def test_a_message_signed_with_another_key_names_both_ids_and_no_key() -> None:
    with pytest.raises(Untrusted, match=f"id {THEIRS.id}, this worker's is {OURS.id}"):
        opened(THEIRS.sealed(b"plan", NOW_US))
    assert "thirty-two" not in repr(OURS)


@pytest.mark.parametrize("age_s", [31, -31])
def test_a_message_far_from_the_redis_clock_is_refused(age_s: int) -> None:
    with pytest.raises(Untrusted, match=f"{age_s} s ago"):
        opened(OURS.sealed(b"plan", NOW_US - age_s * 1_000_000))


def test_before_the_redis_clock_is_known_nothing_signed_is_obeyed() -> None:
    with pytest.raises(Untrusted, match="clock is not known"):
        opened(OURS.sealed(b"plan", NOW_US), now_us=None)


def test_a_run_hears_each_message_once_and_none_that_was_sent_before_it() -> None:
    door = Door(OURS)
    door.admit("r1", NOW_US)
    door.admit("r2", NOW_US - 5)
    for sent_us in (NOW_US, NOW_US - 1):
        with pytest.raises(Untrusted, match="repetition"):
            door.admit("r1", sent_us)
    door.admit("r1", NOW_US + 1)


def test_a_run_is_forgotten_only_when_its_messages_are_too_old_anyway() -> None:
    door = Door(OURS)
    for number in range(500):
        door.admit(f"r{number}", NOW_US + number)
    with pytest.raises(Untrusted):
        door.admit("r0", NOW_US)
    for number in range(500):
        door.admit(f"s{number}", NOW_US + 100_000_000 + number)
    assert len(door._heard_us) <= 500 + 1


@given(st.integers(0, 10**15 - 1))
def test_a_beat_is_read_with_the_key_of_its_run_alone(number: int) -> None:
    value = b"%d" % number + OURS.beat("r1", number)
    assert Door(OURS).beat("r1", value) == number
    assert Door(OURS).beat("r2", value) is None
    assert Door(THEIRS).beat("r1", value) is None
    assert Door(OURS).beat("r1", b"%d" % number) is None
    assert Door(None).beat("r1", b"%d" % number) == number


def test_the_code_of_a_beat_does_not_serve_another_number() -> None:
    assert Door(OURS).beat("r1", b"8" + OURS.beat("r1", 7)) is None


def test_a_short_key_is_refused_without_being_told() -> None:
    with pytest.raises(KeyInvalid, match="openssl rand -hex 32") as refused:
        key_of("hunter2")
    assert "hunter2" not in str(refused.value)
    assert key_of("") is None
    assert key_of(None) is None


def test_no_plain_message_looks_signed() -> None:
    assert not is_sealed(b"\x9f" + b"x" * 100)
    assert is_sealed(OURS.sealed(b"", 0))
