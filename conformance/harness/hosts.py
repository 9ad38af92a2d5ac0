"""Several hosts on one machine: network namespaces of their own, joined by a bridge in one more. Needs root and iproute2.

Nothing of it is in the machine's own network, and everything goes with the namespaces, which are deleted by their names.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import subprocess

from .cable import Cable, open_end

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
    """One host: its namespace and its address, and where it is plugged in."""

    def __init__(self, namespace, address, switch, port):
        self.namespace, self.address, self._switch, self._port = namespace, address, switch, port
        self._cable = None

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

    def plug_in_worse(self, **what):
        """Takes a cable that is as told (`Cable`) from now on; connections that were there get lost."""
        self.unplug()
        with self.inside():
            own = open_end("eth0")
        with inside(self._switch):
            other = open_end(self._port)
        self._cable = Cable((own, other), **what)
        self._plug_in()

    def plug_in_well(self):
        """Takes a cable as it should be."""
        self.unplug()
        _run("ip", "-n", self._switch, "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        self._plug_in()

    def unplug(self):
        """Throws its cable away, if it has one."""
        if self._cable is not None:
            self._cable.close()
            self._cable = None
        subprocess.run(["ip", "-n", self.namespace, "link", "del", "eth0"], capture_output=True)

    def _plug_in(self):
        _run("ip", "-n", self._switch, "link", "set", self._port, "master", "br0", "up")
        _run("ip", "-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
        self.plug_in()

    def inside(self):
        """Sockets that this thread opens meanwhile, and programs that it starts, are the host's."""
        return inside(self.namespace)


@contextlib.contextmanager
def inside(namespace):
    with open("/proc/thread-self/ns/net") as own, open(f"/var/run/netns/{namespace}") as there:
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
        host = Host(namespace, address, self._switch, port)
        host.plug_in_well()
        return host

    def close(self):
        for host in self.all:
            host.unplug()
        for namespace in reversed(self._made):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
        self._made.clear()
