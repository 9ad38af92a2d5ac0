"""Peers that share files, and what their tests wait for."""

import signal
import subprocess
import time

from command_line import run

# How long anything that happens by itself may take.
PATIENCE_S = 30


def wait_until(condition, what, pause=0.05):
    """Waits until the condition holds; gives what it gave."""
    deadline = time.monotonic() + PATIENCE_S
    while not (held := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(pause)
    return held


def get(server, environment, place, *words):
    """Fetches into a folder."""
    return run(server, environment, "get", *words, cwd=place)


class Peer:
    """`chaski peer` that shares folders, on a port of its own."""

    def __init__(self, server, environment, folders, options=()):
        shares = [word for folder in folders for word in ("--share", str(folder))]
        command = [server.binary, "peer", *shares, "--listen", "127.0.0.1:0", "--json", *options]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def stop(self):
        """Ends it as Ctrl-C does; it has to end well."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        _, told = self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0, told
