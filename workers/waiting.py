"""How long may something take at most?"""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent


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
