"""`chaski put`: uploads land on another live peer that takes them, and say so when there is none or it is there already."""

import json
import os
import signal
import subprocess

import pytest

from clients import differs_on_rabbitmq
from command_line import account_at, run
from files_peer import PATIENCE_S, same, wait_until
from harness.brokers import Chaski
from rest import Rest

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]

MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    started = Chaski()
    started.start()
    yield started
    started.stop()


@pytest.fixture
def account(server, tmp_path):
    return lambda label: account_at(server, tmp_path, label)


@pytest.fixture
def folder(tmp_path):
    def maker(name):
        made = tmp_path / name
        made.mkdir()
        return made

    return maker


class Receiver:
    """`chaski peer --receive --json`, with what it tells."""

    def __init__(self, server, environment, folder, *options):
        command = [server.binary, "peer", "--receive", str(folder), "--listen", "127.0.0.1:0", "--json", *options]
        environment = {**environment, "XDG_STATE_HOME": str(folder.parent / f"state of {folder.name}")}
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.id = self.until("listening")["peer"]
        self.until("server", state="live")

    def until(self, kind, **wanted):
        """Takes events up to the one that is waited for."""
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == kind and all(event.get(name) == value for name, value in wanted.items()):
                return event
        raise AssertionError(f"it ended without {kind} {wanted}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=PATIENCE_S)
            assert self.process.returncode == 0

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def receiver(server):
    opened = []

    def opener(environment, folder, *options):
        opened.append(Receiver(server, environment, folder, *options))
        return opened[-1]

    yield opener
    for each in opened:
        each.stop()


def put(server, environment, *words):
    return run(server, environment, "put", *map(str, words), "--listen", "127.0.0.1:0")


def test_a_file_is_put_to_a_named_peer_and_is_there_already_the_next_time(server, account, receiver, folder):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    content = os.urandom(3 * MIB + 17)
    (here / "informe.pdf").write_bytes(content)
    peer = receiver(at_ben, inbox, "--contact", anna)
    ended = put(server, at_anna, here / "informe.pdf", "--to", peer.id)
    assert ended.returncode == 0, ended
    assert ben in ended.stdout and "has it" in ended.stdout
    assert (inbox / "informe.pdf").read_bytes() == content
    told = peer.until("received")
    assert told["account"] == anna and told["path"] == str(inbox / "informe.pdf")

    again = put(server, at_anna, here / "informe.pdf", "--to", peer.id)
    assert again.returncode == 6 and "had it already" in again.stdout, again
    (here / "informe.pdf").write_bytes(b"another one")
    assert put(server, at_anna, here / "informe.pdf", "--to", peer.id).returncode == 0
    assert (inbox / "informe.pdf").read_bytes() == content
    assert (inbox / "informe (2).pdf").read_bytes() == b"another one"
    assert sorted(os.listdir(inbox)) == ["informe (2).pdf", "informe.pdf"]
