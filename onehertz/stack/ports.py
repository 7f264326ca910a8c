"""Which TCP ports a stack listens on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from random import Random

# Below the range from which Linux (32768 up) and macOS (49152 up) give ports to outgoing
# connections: a client's connection must not take the port of a server that restarts.
FIRST_PORT, LAST_PORT = 15000, 32000
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as listener:
        # As the servers do: a port with connections in TIME_WAIT is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(chance: Random, *, avoid: Iterable[int], free: Callable[[int], bool]) -> int:
    """A port between FIRST_PORT and LAST_PORT that is free and not in `avoid`.

    Raises LookupError where none was found in ATTEMPTS draws.
    """
    avoided = set(avoid)
    for _ in range(ATTEMPTS):
        port = chance.randint(FIRST_PORT, LAST_PORT)
        if port not in avoided and free(port):
            return port
    raise LookupError(f"no free port between {FIRST_PORT} and {LAST_PORT}")
