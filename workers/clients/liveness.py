"""Is an idle connection still good for a request?"""

from __future__ import annotations

import socket
from typing import Any


def is_alive(sock: Any) -> bool:
    """Whether nothing has come over an idle, non-blocking `_socket.socket`: no end, no data.

    One system call, for any file descriptor, and no turn of the event loop.
    """
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
