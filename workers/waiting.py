"""How long may something take at most, and how does it let others in between?"""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent

_SOON_S = 1e-6


def one_turn() -> None:
    """Let the loop turn once: what is due goes out, and answers come in.

    `gevent.sleep(0)` does not: gevent runs callbacks that callbacks have added, for up to 5 ms,
    before the loop looks at sockets and timers again. A timer makes it look.
    """
    gevent.sleep(_SOON_S)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Leave the block, without an error, when it has taken `seconds`."""
    timeout = gevent.Timeout.start_new(seconds)
    try:
        yield
    except gevent.Timeout as passed:
        if passed is not timeout:
            raise
    finally:
        timeout.close()
