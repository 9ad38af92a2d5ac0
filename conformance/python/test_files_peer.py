"""`chaski peer`: what it shares is what others find, at once and after restarts of either side."""

import json
import os
import resource
import signal
import socket
import ssl
import subprocess

import pytest

from clients import differs_on_rabbitmq
from command_line import run
from files_peer import PATIENCE_S, wait_until

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "docs"
    made.mkdir()
    return made


class Sharer:
    """`chaski peer --json`, with what it tells."""

    def __init__(self, server, environment, folder, *options, cwd=None):
        command = [server.binary, "peer", "--share", str(folder), "--json", *options]
        self.process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, text=True)

    def until(self, kind, **wanted):
        """Takes events up to the one that is waited for."""
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == kind and all(event.get(name) == value for name, value in wanted.items()):
                return event
        raise AssertionError(f"it ended without {kind} {wanted}")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture
def share(server, folder):
    opened = []

    def opener(environment, *options, **more):
        opened.append(Sharer(server, environment, folder, *options, **more))
        return opened[-1]

    yield opener
    for each in opened:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


LOCAL = ("--listen", "127.0.0.1:0")


def names(server, environment):
    """Everything that somebody finds, but for folders as a whole."""
    ended = run(server, environment, "find", "--json")
    return sorted(file["name"] for file in json.loads(ended.stdout) if file["kind"] == "file")


def test_others_find_what_is_in_the_folder_and_what_becomes_of_it(server, account, share, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    (folder / "uno.txt").write_text("uno")
    (folder / ".hidden").write_text("hidden")
    peer = share(at_anna, *LOCAL)
    peer.until("ready", files=1)
    wait_until(lambda: names(server, at_ben) == ["uno.txt"], "the first file")
    (folder / "dos.txt").write_text("dos")
    (folder / "uno.txt").rename(folder / "tres.txt")
    wait_until(lambda: names(server, at_ben) == ["dos.txt", "tres.txt"], "the new names")
    (folder / "dos.txt").unlink()
    wait_until(lambda: names(server, at_ben) == ["tres.txt"], "one name")
    assert peer.end(signal.SIGINT) == 0
    assert names(server, at_ben) == []


def test_a_restart_hashes_nothing_and_tells_nothing(server, account, share, folder):
    _, at_anna = account("anna")
    for number in range(50):
        (folder / f"{number}.txt").write_text(f"text {number}")
    first = share(at_anna, *LOCAL)
    first.until("ready", files=50)
    # The files, and the folder as a whole.
    wait_until(lambda: own_peer(server, at_anna)["files"] == 51, "the server knows all")
    told = own_peer(server, at_anna)["revision"]
    assert first.end() == 0
    again = share(at_anna, *LOCAL)
    seen = []
    # In whichever order they come.
    while not ("ready" in [event["event"] for event in seen] and "live" in [event.get("state") for event in seen]):
        seen.append(json.loads(again.process.stdout.readline()))
    assert not [event for event in seen if event["event"] in ("shared", "removed", "progress")]
    assert own_peer(server, at_anna)["revision"] == told


def own_peer(server, environment):
    """The account's one peer, as the server knows it."""
    listed = json.loads(run(server, environment, "peers", "--all", "--json").stdout)
    return next(peer for peer in listed if peer["own"])


def test_only_its_audience_finds_it(server, account, share, folder):
    (_, at_anna), (ben, at_ben), (_, at_eve) = account("anna"), account("ben"), account("eve")
    (folder / "plan.txt").write_text("what nobody else shares")
    peer = share(at_anna, *LOCAL, "--to", ben)
    peer.until("ready", files=1)
    wait_until(lambda: names(server, at_ben) == ["plan.txt"], "the file")
    assert names(server, at_eve) == []
    assert peer.end() == 0
    share(at_anna, *LOCAL).until("ready", files=1)
    wait_until(lambda: names(server, at_eve) == ["plan.txt"], "the file for everyone")


def test_an_audience_that_is_not_there_is_told_of(account, share, folder):
    _, at_anna = account("anna")
    (folder / "plan.txt").write_text("plan")
    peer = share(at_anna, *LOCAL, "--to", "nobody-of-that-name")
    assert "nobody-of-that-name" in peer.until("ignored")["audience"]


def test_variables_of_dot_env_configure_it_and_flags_win(server, account, share, folder, tmp_path):
    _, at_anna = account("anna")
    host, _, port = server.http_url.removeprefix("http://").rpartition(":")
    (tmp_path / ".env").write_text(
        f"SERVER_URL=http://{host}\nSERVER_PORT={port}\nPSERVER_URL=peer.example\nPSERVER_LOCAL_URL=127.0.0.1\nPSERVER_PORT=0\n")
    peer = share(at_anna, cwd=tmp_path)
    event = peer.until("listening")
    listening = event["address"].rpartition(":")
    assert listening[0] == "127.0.0.1" and event["addresses"] == [f"peer.example:{listening[2]}"]
    assert peer.until("server", state="live")["url"] == server.http_url
    assert peer.end() == 0
    peer = share(at_anna, "--address", "other.example:9", "--name", "desk", cwd=tmp_path)
    event = peer.until("listening")
    assert event["addresses"] == ["other.example:9"] and event["name"] == "desk"
    peer.until("server", state="live")
    # The other commands read the server's address from there, too: whoever never logged in comes as guest.
    stranger = {"HOME": str(tmp_path / "stranger"), "NO_COLOR": "1"}
    assert server.http_url.rpartition(":")[2] != "8080"
    listed = run(server, stranger, "peers", "--json", cwd=tmp_path)
    assert "desk" in [peer["name"] for peer in json.loads(listed.stdout)], listed


def test_wrong_ways_to_share_are_refused(server, account, folder, share, tmp_path):
    _, at_anna = account("anna")
    share(at_anna, *LOCAL).until("ready")
    (folder / "in").mkdir()
    cases = [
        (["--share", str(tmp_path / "nowhere")], 2, "cannot share"),
        (["--share", str(folder), "--share", str(folder / "in"), "--state", str(tmp_path / "s")], 2, "shared as a whole"),
        (["--share", str(folder), "--state", str(folder / "state")], 2, "keeps for itself"),
        (["--share", str(folder), "--to", "link", "--to", "anna"], 2, "no other --to"),
        (["--share", str(folder)], 6, "another peer runs"),
    ]
    for words, code, text in cases:
        ended = run(server, at_anna, "peer", *LOCAL, *words)
        assert (ended.returncode, text in ended.stderr) == (code, True), (words, ended)


def test_a_server_that_comes_back_knows_it_again(account, share, folder, server):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    (folder / "stays.txt").write_text("stays")
    peer = share(at_anna, *LOCAL)
    peer.until("server", state="live")
    server.kill()
    peer.until("server", state="away")
    (folder / "new.txt").write_text("new")
    server.start()
    wait_until(lambda: names(server, at_ben) == ["new.txt", "stays.txt"], "both files")


def test_it_has_as_many_descriptors_as_it_may_and_does_not_spin_without_any(account, share):
    _, at_anna = account("anna")
    few, most = 256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    try:
        peer = share(at_anna, *LOCAL)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    address = peer.until("listening")["address"]
    peer.until("server", state="live")
    pid = peer.process.pid
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (most, most)

    host, _, port = address.rpartition(":")
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, most))
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as waiting:
        began = cpu_s(pid)
        # Nobody answers, nor hangs up, for long enough to tell trying now and then from trying all the time.
        waiting.settimeout(1)
        with pytest.raises(TimeoutError):
            waiting.recv(1)
        waiting.settimeout(PATIENCE_S)
        assert cpu_s(pid) - began < 0.5
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        with anybody.wrap_socket(waiting) as answered:
            assert answered.version() == "TLSv1.3"
    assert peer.end() == 0


def cpu_s(pid):
    """The time that a process has had of the processors."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
