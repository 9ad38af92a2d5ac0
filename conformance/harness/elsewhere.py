"""Logs in from addresses that are not this machine's loopback, in a network of its own; prints what came of it as JSON.

`python -m harness.elsewhere chaski|rabbitmq LISTEN ADDRESS…` inside a fresh network namespace: gives it the address 192.0.2.1,
starts a broker that listens on LISTEN, and tries guest and an ordinary account through each ADDRESS. `report` makes the namespace
and runs that.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from .brokers import open_broker
from .raw import Closed, Gone, RawConnection

OUTSIDE = "192.0.2.1"
# The one interface that every kernel has; a peer is known by its address, not by the interface that it came through.
SETUP = [
    ["ip", "link", "set", "lo", "up"],
    ["ip", "address", "add", f"{OUTSIDE}/32", "dev", "lo"],
]


def unshare():
    """The command that runs another in a network namespace of its own: as root, or as anybody where the kernel lets them."""
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


def is_possible():
    """Whether this machine lets us make such a namespace, with that address in it."""
    probe = " && ".join(" ".join(command) for command in SETUP)
    return subprocess.run([*unshare(), "sh", "-c", probe], capture_output=True).returncode == 0


def report(kind, listen, addresses):
    """What each account saw through each address: {account: {address: "open" or the reply text}}."""
    command = [*unshare(), sys.executable, "-m", "harness.elsewhere", kind, listen, *addresses]
    done = subprocess.run(command, cwd=Path(__file__).resolve().parents[1], capture_output=True, text=True, timeout=40)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def attempt(broker, address, account, password):
    """Logs in through the address, as a client that wants to be told of failures."""
    broker.host = address
    with RawConnection(broker) as link:
        link.start()
        link.start_ok(response=f"\0{account}\0{password}".encode(), capabilities=["authentication_failure_close"])
        try:
            link.tune()
            link.call(0, "connection.open", vhost="/")
        except Closed as closed:
            return closed.text
        except Gone:
            return "gone"
    return "open"


def main(kind, listen, *addresses):
    for command in SETUP:
        subprocess.run(command, check=True)
    broker = open_broker(kind, listen=listen)
    try:
        broker.start()
        broker.ctl.user_add("ordinary", "secret")
        broker.ctl.permission_set("ordinary")
        print(json.dumps({account: {address: attempt(broker, address, account, password) for address in addresses}
                          for account, password in (("guest", "guest"), ("ordinary", "secret"))}))
    finally:
        broker.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
