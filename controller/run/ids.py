"""What is a run called?"""

from __future__ import annotations

import secrets

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: sorts like the numbers, no i l o u


def new_id(wall_s: float) -> str:
    """Sorts by the second: seven digits of time (until 3058), a dash, four of chance."""
    number, digits = int(wall_s), []
    for _ in range(7):
        number, digit = divmod(number, 32)
        digits.append(_DIGITS[digit])
    chance = "".join(secrets.choice(_DIGITS) for _ in range(4))
    return f"{''.join(reversed(digits))}-{chance}"
