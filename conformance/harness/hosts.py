"""Several hosts on one machine: network namespaces of their own, joined by a bridge in one more. Needs root and iproute2.

Nothing of it is in the machine's own network, and everything goes with the namespaces, which are deleted by their names.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why this machine cannot have such hosts; None if it can."""
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    missing = [program for program in ("ip", "ss", "nc") if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: iproute2, netcat-openbsd)"
    name = f"chaski-{secrets.token_hex(3)}"
    try:
        _run("ip", "netns", "add", name)
        _run("ip", "-n", name, "link", "add", "probe", "type", "bridge")
    except RuntimeError as error:
        return f"the kernel lets nobody make network namespaces with bridges: {error}"
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return None


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """One host: its namespace and its address."""

    def __init__(self, namespace, address):
        self.namespace, self.address = namespace, address

    def command(self, *words):
        """What runs a program on it."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def run(self, *words):
        """Runs a program on it to its end; returns what it said."""
        return _run(*self.command(*words))

    def pull_out(self):
        """Takes its cable out of the switch."""
        _run("ip", "-n", self.namespace, "link", "set", "eth0", "down")

    def plug_in(self):
        _run("ip", "-n", self.namespace, "link", "set", "eth0", "up")

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread opens meanwhile are the host's."""
        with open("/proc/thread-self/ns/net") as own, open(f"/var/run/netns/{self.namespace}") as there:
            _enter(there)
            try:
                yield
            finally:
                _enter(own)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Hosts:
    """So many hosts at one switch; `all` has them."""

    def __init__(self, size):
        self._prefix = f"chaski-{secrets.token_hex(3)}"
        self._switch, self._made, self.all = f"{self._prefix}-switch", [], []
        try:
            self._add(self._switch)
            _run("ip", "-n", self._switch, "link", "add", "br0", "type", "bridge")
            _run("ip", "-n", self._switch, "link", "set", "br0", "up")
            for number in range(1, size + 1):
                self.all.append(self._host(number))
        except BaseException:
            self.close()
            raise

    def _add(self, namespace):
        _run("ip", "netns", "add", namespace)
        self._made.append(namespace)
        _run("ip", "-n", namespace, "link", "set", "lo", "up")

    def _host(self, number):
        namespace, address, port = f"{self._prefix}-{number}", f"192.0.2.{number}", f"port{number}"
        self._add(namespace)
        _run("ip", "-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _run("ip", "-n", self._switch, "link", "set", port, "master", "br0", "up")
        _run("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
        _run("ip", "-n", namespace, "link", "set", "eth0", "up")
        return Host(namespace, address)

    def close(self):
        for namespace in reversed(self._made):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
        self._made.clear()
