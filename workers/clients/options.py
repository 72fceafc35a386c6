"""Which options of a goal does a user class take, and what is wrong with one it was given?"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class OptionError(ValueError):
    """An option of the workload cannot be used; the message names it, its value and the fix."""


def known(options: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The options, none of them unknown.

    Raises:
        OptionError: naming the nearest known one.
    """
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise OptionError(f"option {name!r} is unknown: {fix}")
    return dict(options)


def option(
    options: Mapping[str, Any],
    name: str,
    default: T,
    holds: Callable[[Any], bool],
    fix: str,
) -> T:
    """One option, `default` where it is absent or null.

    Raises:
        OptionError: its value does not hold.
    """
    value = options.get(name)
    if value is None:
        return default
    if not holds(value):
        raise OptionError(f"option {name!r} cannot be {value!r}: {fix}")
    chosen: T = value
    return chosen


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
