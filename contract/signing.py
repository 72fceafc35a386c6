"""Who may aim the fleet? Whoever holds its key: plans, stops and beats carry a code made with it.

    control   MARK, key id (4), sent_us (8), HMAC-SHA256 (32), message
    beat      number in decimal, first 16 bytes of its HMAC-SHA256

A code covers what it is for, the time on the Redis clock and the message, so nobody on that Redis
can change one, send one as something else, or send one again later. Reports are not signed: who
can write them can spoil a probe, not aim the fleet.

Source: Krawczyk, Bellare, Canetti 1997, RFC 2104; truncation to half by its section 5.
"""

from __future__ import annotations

import hashlib
import hmac
import re

KEY_VARIABLE = "TONNAGE_FLEET_KEY"
SHORTEST_KEY = 32
"""Characters: codes are seen by everybody on that Redis, who may try keys at leisure."""
OLDEST_S = 30.0
"""A message further than this from the Redis clock is not obeyed."""

_MARK = b"\xc1"
"""No msgpack begins with it, hence no unsigned message does."""
_ID_BYTES, _TIME_BYTES, _CODE_BYTES = 4, 8, 32
_HEAD = len(_MARK) + _ID_BYTES + _TIME_BYTES + _CODE_BYTES
_BEAT_BYTES = 16
_BEAT = re.compile(rb"(\d{1,15})(.{%d})" % _BEAT_BYTES, re.DOTALL)
_PLAIN_BEAT = re.compile(rb"\d{1,15}")
_RUNS_KEPT = 100


class KeyInvalid(ValueError):
    """A fleet key that protects nothing; the text has the fix and never the key."""


class Untrusted(ValueError):
    """A control message that was not made with our key, or not now; the text says how so."""


class FleetKey:
    """The key that controller and workers share; its representation does not show it."""

    def __init__(self, text: str) -> None:
        """Raises KeyInvalid when it is short."""
        if len(text) < SHORTEST_KEY:
            raise KeyInvalid(
                f"{KEY_VARIABLE} is short: use at least {SHORTEST_KEY} characters, such as those "
                "of `openssl rand -hex 32`"
            )
        self._secret = text.encode()
        self.id = self._code(b"key id", b"")[:_ID_BYTES].hex()

    def __repr__(self) -> str:
        return f"FleetKey(id={self.id!r})"

    def sealed(self, message: bytes, sent_us: int) -> bytes:
        """`message` behind its code; `sent_us` of the Redis clock, growing with every message."""
        time = sent_us.to_bytes(_TIME_BYTES, "big")
        return (
            _MARK + bytes.fromhex(self.id) + time + self._code(b"control", time, message) + message
        )

    def opened(self, data: bytes) -> tuple[bytes, int]:
        """The message in `data`, and when it was sent.

        Raises:
            Untrusted: no code, that of another key, or a wrong one.
        """
        if not is_sealed(data):
            raise Untrusted(
                f"it is not signed, and this worker has a {KEY_VARIABLE}: give the controller the "
                "same"
            )
        theirs = data[len(_MARK) : len(_MARK) + _ID_BYTES].hex()
        if theirs != self.id:
            raise Untrusted(f"it is {_by_another(theirs, self.id)}")
        time = data[len(_MARK) + _ID_BYTES : _HEAD - _CODE_BYTES]
        message = data[_HEAD:]
        code = data[_HEAD - _CODE_BYTES : _HEAD]
        if not hmac.compare_digest(code, self._code(b"control", time, message)):
            raise Untrusted("its signature is wrong: it was changed or forged")
        return message, int.from_bytes(time, "big")

    def beat(self, run: str, number: int) -> bytes:
        """What stands behind the number of a beat of `run`."""
        return self._code(b"beat", run.encode(), b"%d" % number)[:_BEAT_BYTES]

    def _code(self, purpose: bytes, *parts: bytes) -> bytes:
        framed = b"".join(b"%d:%b" % (len(part), part) for part in (b"tonnage", purpose, *parts))
        return hmac.digest(self._secret, framed, hashlib.sha256)


class Door:
    """What a worker lets in: without a `key` all that is unsigned, with one only what is ours.

    `control` gives the bytes of a message, `admit` then says whether its run heard a later one.
    """

    def __init__(self, key: FleetKey | None) -> None:
        self._key = key
        self._heard_us: dict[str, int] = {}

    def control(self, data: bytes, now_us: int | None) -> tuple[bytes, int | None]:
        """The message in `data`, and when it was sent, as far as that is signed.

        `now_us` is the Redis clock, None while it is not known.

        Raises:
            Untrusted: it may not be obeyed.
        """
        if self._key is None:
            if is_sealed(data):
                raise Untrusted(
                    f"it is signed, and this worker has no {KEY_VARIABLE}: give it the controller's"
                )
            return data, None
        message, sent_us = self._key.opened(data)
        if now_us is None:
            raise Untrusted("it is signed, and the Redis clock is not known yet")
        if abs(now_us - sent_us) > OLDEST_S * 1e6:
            raise Untrusted(
                f"it was sent {(now_us - sent_us) / 1e6:.0f} s ago by the Redis clock, and is "
                f"obeyed within {OLDEST_S:.0f} s"
            )
        return message, sent_us

    def admit(self, run: str, sent_us: int | None) -> None:
        """Take note of a message of `run`.

        Raises:
            Untrusted: one that was sent then, or later, came already.
        """
        if sent_us is None:
            return
        if sent_us <= self._heard_us.get(run, -1):
            raise Untrusted(f"a later message of run {run} came before it: it is a repetition")
        self._heard_us.pop(run, None)
        self._heard_us[run] = sent_us
        while len(self._heard_us) > _RUNS_KEPT and _is_past(
            next(iter(self._heard_us.values())), sent_us
        ):
            del self._heard_us[next(iter(self._heard_us))]

    def beat(self, run: str, value: bytes) -> int | None:
        """The number of a beat; None when it is none of ours."""
        if self._key is None:
            found = _PLAIN_BEAT.match(value)
            return int(found[0]) if found else None
        signed = _BEAT.fullmatch(value)
        if signed is None:
            return None
        number = int(signed[1])
        return number if hmac.compare_digest(signed[2], self._key.beat(run, number)) else None


def is_sealed(data: bytes) -> bool:
    """Whether `data` has the form of a signed message."""
    return data.startswith(_MARK) and len(data) >= _HEAD


def key_of(text: str | None) -> FleetKey | None:
    """The key in `text`; None for none.

    Raises:
        KeyInvalid: it is short.
    """
    return FleetKey(text) if text else None


def _is_past(heard_us: int, now_us: int) -> bool:
    """Whether a message that old is refused for its age alone."""
    return now_us - heard_us > 2 * OLDEST_S * 1e6


def _by_another(theirs: str, ours: str) -> str:
    return (
        f"signed with another {KEY_VARIABLE} (id {theirs}, this worker's is {ours}): give "
        "controller and workers the same"
    )
