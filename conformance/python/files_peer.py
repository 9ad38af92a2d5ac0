"""Peers that share files, and what their tests wait for."""

import filecmp
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


def same(one, other):
    """Both folders hold the same files with the same bytes."""
    compared = filecmp.dircmp(one, other)
    assert not compared.left_only and not compared.right_only, (compared.left_only, compared.right_only)
    _, differ, failed = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    assert not differ and not failed, (differ, failed)
    for name in compared.common_dirs:
        same(one / name, other / name)


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
