"""Ports that stay a server's own while it is down."""

import random
import socket

# Linux gives the ports from 32768 on to outgoing connections: one of them may sit on a server's port before it is back.
_LOWEST, _HIGHEST = 10_240, 32_000
# The most that one server may want, and the port that says whose they are.
_SLICE = 16


class Ports:
    """Loopback ports that nothing listened on a moment ago, and that no other `Ports` of this machine gives until `release`."""

    def __init__(self, count):
        assert count < _SLICE
        starts = list(range(_LOWEST, _HIGHEST, _SLICE))
        random.shuffle(starts)
        for start in starts:
            numbers = range(start + 1, start + 1 + count)
            try:
                # Whoever listens on a slice's first port has the whole slice, until its process ends at the latest.
                self._held = socket.create_server(("127.0.0.1", start), backlog=0)
            except OSError:
                continue
            if all(map(_is_free, numbers)):
                self.numbers = list(numbers)
                return
            self._held.close()
        raise RuntimeError(f"no {count} ports in a row are free between {_LOWEST} and {_HIGHEST}")

    def release(self):
        """Lets others have them."""
        self._held.close()


def _is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
