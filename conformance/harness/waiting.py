"""Waiting for a condition with a deadline, never for a length of time."""

import threading
import time

_never = threading.Event()


def pause(seconds):
    """Gives the processor away between two looks at a condition."""
    _never.wait(seconds)


def eventually(probe, within=10.0, every=0.01, what=None):
    """Calls `probe` until it returns something true and returns that; fails after `within` seconds.

    An AssertionError of the probe counts as "not yet" and is what the failure says.
    """
    deadline = time.monotonic() + within
    reason = None
    while True:
        try:
            found = probe()
            if found:
                return found
            reason = f"last value: {found!r}"
        except AssertionError as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or probe.__name__} ({reason})")
        pause(every)


class Stopwatch:
    """Seconds since its creation."""

    def __init__(self):
        self._start = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start
