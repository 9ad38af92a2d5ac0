"""Peers that share files, those who fetch from them, and what their tests wait for."""

import filecmp
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from command_line import run
from rest import PASSWORD

# How long anything that happens by itself may take.
PATIENCE_S = 30


def wait_until(condition, what, pause=0.05, within=PATIENCE_S):
    """Waits until the condition holds; gives what it gave."""
    deadline = time.monotonic() + within
    while not (held := condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(pause)
    return held


def get(server, environment, place, *words):
    """Fetches into a folder."""
    return run(server, environment, "get", *words, cwd=place)


def found(server, environment, name):
    """What there is of that name."""
    ended = run(server, environment, "find", "--glob", name, "--json")
    return json.loads(ended.stdout or "[]")


def wait_for_file(server, environment, name, holders=1):
    """Waits until so many peers have told the server of a file; gives it."""
    def there():
        files = found(server, environment, name)
        return files[0] if files and len(files[0]["holders"]) >= holders else None

    return wait_until(there, f"{holders} peers with {name}")


def same(one, other):
    """Both are the same file, or folders that hold the same files with the same bytes."""
    if one.is_file():
        assert filecmp.cmp(one, other, shallow=False)
        return
    compared = filecmp.dircmp(one, other)
    assert not compared.left_only and not compared.right_only, (compared.left_only, compared.right_only)
    _, differ, failed = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    assert not differ and not failed, (differ, failed)
    for name in compared.common_dirs:
        same(Path(one, name), Path(other, name))


class Peer:
    """`chaski peer` that shares folders, on a port of its own."""

    def __init__(self, server, environment, folders, options=(), address="127.0.0.1"):
        shares = [word for folder in folders for word in ("--share", str(folder))]
        command = [server.binary, "peer", *shares, "--listen", f"{address}:0", "--json", *options]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self._is_killed = False

    def kill(self):
        """SIGKILL; nobody is told."""
        self._is_killed = True
        self._process.kill()
        self._process.communicate(timeout=PATIENCE_S)

    def stop(self):
        """Ends it as Ctrl-C does; it has to end well."""
        if self._is_killed:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        _, told = self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0, told


class Getter:
    """`chaski get --json` that is looked at while it runs."""

    def __init__(self, server, environment, place, *words, prefix=()):
        self._notes = tempfile.TemporaryFile()
        command = [*prefix, server.binary, "get", *words, "--json"]
        self._process = subprocess.Popen(command, env=environment, cwd=place, stdout=subprocess.PIPE, stderr=self._notes, text=True)
        # What it has told of so far.
        self.events = []

    def until(self, condition):
        """Takes events up to the one for which the condition holds; gives it."""
        for line in self._process.stdout:
            self.events.append(json.loads(line))
            if condition(self.events[-1]):
                return self.events[-1]
        raise AssertionError(f"it ended before that: {self.ended()}")

    def has(self, size):
        """Waits until so many bytes are there, and not all."""
        return self.until(lambda event: event["event"] == "progress" and event["bytes"] >= size)

    def kill(self):
        self._process.kill()
        return self.ended()

    def ended(self):
        """Waits for its end; gives its exit code and what it wrote for people."""
        for line in self._process.stdout:
            self.events.append(json.loads(line))
        return self._process.wait(PATIENCE_S), self.notes()

    def notes(self):
        """What it has written for people so far."""
        return os.pread(self._notes.fileno(), 1 << 20, 0).decode()

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._notes.close()

    def done(self):
        """Waits until it has ended well; gives its last event."""
        code, notes = self.ended()
        assert code == 0, (code, notes)
        assert self.events[-1]["event"] == "done", self.events[-1]
        return self.events[-1]


class Stranger:
    """A peer that is not Chaski's (stranger_program.py), on a host of its own; `has` is the run of groups that it has, if not all."""

    def __init__(self, server, login, host, file, path, name, has=None, lies=None, honest=0):
        role = {"url": server.http_url, "login": login, "password": PASSWORD, "address": host.address, "root": file["root"],
                "size": file["size"], "kind": file["kind"], "file": str(path), "name": name, "has": has, "lies": lies, "honest": honest}
        program = Path(__file__).parent / "stranger_program.py"
        with host.inside():
            self._process = subprocess.Popen([sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdin.write(json.dumps(role) + "\n")
        self._process.stdin.flush()

    def wait(self):
        """Waits until others find it."""
        assert self._process.stdout.readline(), "it ended"
        return self

    def ended(self):
        """Ends it; gives what it was asked for."""
        told, _ = self._process.communicate(timeout=PATIENCE_S)
        return json.loads(told.splitlines()[-1])

    def close(self):
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
