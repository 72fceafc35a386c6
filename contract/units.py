"""How are durations, rates and ratios written, and what amounts do they mean?

Numbers are read as decimals before they become floats, so `150ms` is exactly `0.15` and
`99.9%` exactly `0.999`.
"""

import math
import re
from decimal import Decimal
from itertools import pairwise
from typing import NewType

Seconds = NewType("Seconds", float)
Rate = NewType("Rate", float)  # arrivals per second

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT_S = {  # longest first: a compound duration names them in this order
    "h": Decimal(3600),
    "min": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
    "us": Decimal("0.000001"),
}
_SCALE = {"": Decimal(1), "k": Decimal(1_000), "M": Decimal(1_000_000)}
_DURATION = re.compile(rf"(?:{_NUMBER}\s?(?:us|ms|s|min|h)\s?)+", re.ASCII)
_DURATION_PART = re.compile(rf"({_NUMBER})\s?(us|ms|s|min|h)", re.ASCII)
_RATE = re.compile(rf"({_NUMBER})\s?([kM]?)\s?/\s?(s|min|h)", re.ASCII)
_RATIO = re.compile(rf"({_NUMBER})\s?%", re.ASCII)


class UnitError(ValueError):
    """A quantity is not written the way its unit asks for."""


def parse_duration(text: str) -> Seconds:
    """Read `20us`, `250ms`, `1.5s`, `5min`, `2h` or `1h30min`; zero is a duration.

    Raises:
        UnitError: `text` has no unit, an unknown one, or units out of order.
    """
    fix = "write a number and a unit of us, ms, s, min or h, such as 250ms"
    parts = _DURATION_PART.findall(_matched(_DURATION, text, "duration", fix)[0])
    order = [list(_UNIT_S).index(unit) for _, unit in parts]
    if any(later <= earlier for earlier, later in pairwise(order)):
        fix = "name each unit once, longest first, such as 1h30min"
        raise UnitError(f"{text!r} is not a duration: {fix}")
    total = sum((Decimal(number) * _UNIT_S[unit] for number, unit in parts), Decimal(0))
    return Seconds(_finite(total, text, "duration", fix))


def parse_rate(text: str) -> Rate:
    """Read `10/s`, `1.2k/s`, `90/min` or `3M/h` as arrivals per second, above zero.

    Raises:
        UnitError: `text` names no time, an unknown one, or is zero.
    """
    fix = "write arrivals per s, min or h, such as 10/s, 1.2k/s or 90/min"
    number, scale, unit = _matched(_RATE, text, "rate", fix).groups()
    rate = _finite(Decimal(number) * _SCALE[scale] / _UNIT_S[unit], text, "rate", fix)
    if rate == 0:
        raise UnitError(f"{text!r} is not a rate: it must be above zero, such as 1/min")
    return Rate(rate)


def parse_ratio(text: str) -> float:
    """Read a percentage as a part of one: `0.1%` is 0.001.

    Raises:
        UnitError: `text` has no % sign or is above 100%.
    """
    fix = "write a percentage from 0% to 100% with its sign, such as 0.1%"
    ratio = _finite(Decimal(_matched(_RATIO, text, "ratio", fix)[1]) / 100, text, "ratio", fix)
    if ratio > 1:
        raise UnitError(f"{text!r} is not a ratio: {fix}")
    return ratio


def format_duration(seconds: float) -> str:
    """Write seconds the way `parse_duration` reads them, to about four digits."""
    _check_amount(seconds, "duration")
    if seconds < 60:
        seconds = float(f"{seconds:.4g}")
    if seconds >= 60:
        return _format_long(round(seconds, 1 if seconds < 3600 else 0))
    if seconds == 0:
        return "0s"
    unit = "s" if seconds >= 1 else "ms" if seconds >= 0.001 else "us"
    return f"{_plain(seconds / float(_UNIT_S[unit]), 4)}{unit}"


def format_rate(rate: float) -> str:
    """Write arrivals per second to about three digits: `236/s`, `1.2k/s`; zero is `0/s`."""
    _check_amount(rate, "rate")
    rate = float(f"{rate:.3g}")
    scale = "M" if rate >= 1e6 else "k" if rate >= 1e3 else ""
    return f"{_plain(rate / float(_SCALE[scale]), 3)}{scale}/s"


def format_ratio(ratio: float) -> str:
    """Write a part of one as a percentage: three digits of it or of what it lacks to 100%."""
    _check_amount(ratio, "ratio")
    if ratio > 1:
        raise UnitError(f"{ratio!r} is not a ratio: it must lie between 0 and 1")
    if ratio <= 0.5:
        return f"{_plain(100 * ratio, 3)}%"
    complement = Decimal(f"{100 * (1 - ratio):.3g}")
    return f"{_trimmed(100 - complement)}%"


def _matched(pattern: re.Pattern[str], text: object, what: str, fix: str) -> re.Match[str]:
    found = pattern.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise UnitError(f"{text!r} is not a {what}: {fix}")
    return found


def _finite(amount: Decimal, text: str, what: str, fix: str) -> float:
    value = float(amount)
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is not a {what}: it is too large; {fix}")
    return value


def _check_amount(amount: float, what: str) -> None:
    if isinstance(amount, bool) or not (math.isfinite(amount) and amount >= 0):
        raise UnitError(f"{amount!r} is not a {what}: it must be finite and not negative")


def _format_long(seconds: float) -> str:
    minutes, rest = divmod(Decimal(str(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return "".join(f"{_trimmed(amount)}{unit}" for amount, unit in parts if amount)


def _plain(amount: float, digits: int) -> str:
    return _trimmed(Decimal(f"{amount:.{digits}g}"))


def _trimmed(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
