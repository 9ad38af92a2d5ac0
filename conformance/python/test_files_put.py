"""`chaski put`: uploads land on another live peer that takes them, and say so when there is none or it is there already."""

import base64
import fcntl
import json
import os
import secrets
import signal
import ssl
import subprocess
import termios
import time

import grpc
import pytest

from clients import differs_on_rabbitmq
from command_line import run
from files_peer import PATIENCE_S, same, wait_until
from grpc_client import v1
from rest import PASSWORD, Rest

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path):
    def maker(name):
        made = tmp_path / name
        made.mkdir()
        return made

    return maker


class Receiver:
    """`chaski peer --receive --json`, with what it tells."""

    def __init__(self, server, environment, folder, *options, terminal=None):
        listen = [] if "--no-listen" in options else ["--listen", "127.0.0.1:0"]
        command = [server.binary, "peer", "--receive", str(folder), *listen, "--json", *options]
        environment = {**environment, "XDG_STATE_HOME": str(folder.parent / f"state of {folder.name}")}
        more = {"stdin": subprocess.DEVNULL}
        if terminal is not None:
            more = {"stdin": terminal, "start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **more)
        # Whether others can call it through the server: told whenever it comes to be so.
        self.is_called = False
        listening = self.until("listening")
        self.id, self.address = listening["peer"], listening["address"]
        self.until("server", state="live")

    def until(self, kind, **wanted):
        """Takes events up to the one that is waited for."""
        for line in self.process.stdout:
            event = json.loads(line)
            self.is_called |= event["event"] == "relay" and event["open"]
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

    def opener(environment, folder, *options, **more):
        opened.append(Receiver(server, environment, folder, *options, **more))
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


def test_what_is_taken_keeps_the_rate_of_its_taker(server, account, receiver, folder):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    (here / "slow.bin").write_bytes(os.urandom(4 * MIB))
    peer = receiver(at_ben, inbox, "--contact", anna, "--limit-receive-rate", "2MiB")
    began = time.monotonic()
    ended = put(server, at_anna, here / "slow.bin", "--to", peer.id)
    assert ended.returncode == 0, ended
    # Two seconds, less what may go at once, and the last groups.
    assert time.monotonic() - began > 1
    alone = run(server, at_ben, "peer", "--share", str(here), "--limit-receive-rate", "2MiB")
    assert alone.returncode == 2 and "--receive" in alone.stderr, alone


def test_who_cannot_be_reached_is_brought_a_file_through_the_server_and_fetches_through_it(server, account, receiver, folder):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    content = os.urandom(2 * MIB + 9)
    (here / "far.bin").write_bytes(content)
    peer = receiver(at_ben, inbox, "--contact", anna, "--no-listen")
    if not peer.is_called:
        peer.until("relay", open=True)
    # Nobody listens at the address that anna tells.
    ended = put(server, at_anna, here / "far.bin", "--to", peer.id, "--address", "127.0.0.1:1")
    assert ended.returncode == 0, ended
    assert (inbox / "far.bin").read_bytes() == content


def test_all_peers_of_an_account_get_it_and_one_is_named_by_account_and_name(server, account, receiver, folder):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, one, two = folder("here"), folder("one"), folder("two")
    (here / "a.txt").write_text("to both")
    (here / "b.txt").write_text("to one")
    receiver(at_ben, one, "--contact", anna, "--name", "desk")
    receiver(at_ben, two, "--contact", anna, "--name", "lap top")
    ended = put(server, at_anna, here / "a.txt", "--to", ben)
    assert ended.returncode == 0, ended
    assert (one / "a.txt").read_text() == (two / "a.txt").read_text() == "to both"
    ended = put(server, at_anna, here / "a.txt", here / "b.txt", "--to", f"{ben}/lap top", "--json")
    assert ended.returncode == 0, ended
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [event["name"] for event in events if event["event"] == "already"] == ["a.txt"]
    assert events[-1] == {"event": "ended", "took": 1, "already": 1, "closed": 0, "refused": 0, "lost": 0}
    assert not (one / "b.txt").exists() and (two / "b.txt").read_text() == "to one"
    assert put(server, at_anna, here / "a.txt", "--to", f"{ben}/nowhere").returncode == 5


def test_those_in_a_room_get_it(server, account, receiver, folder):
    (anna, at_anna), (ben, at_ben), (_, at_eve) = account("anna"), account("ben"), account("eve")
    here, inbox, other = folder("here"), folder("inbox"), folder("other")
    (here / "plan.txt").write_text("plan")
    room = f"room{anna}"
    Rest(server).post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    listening = []
    try:
        for environment in (at_anna, at_ben):
            listening.append(subprocess.Popen([server.binary, "listen", room, "--json"], env=environment, stdout=subprocess.DEVNULL))
        receiver(at_ben, inbox, "--contact", anna)
        receiver(at_eve, other, "--contact", anna)
        wait_until(lambda: put(server, at_anna, here / "plan.txt", "--room", room).returncode in (0, 6), "the room has somebody")
    finally:
        for each in listening:
            each.kill()
            each.communicate()
    assert (inbox / "plan.txt").read_text() == "plan" and not (other / "plan.txt").exists()


def test_the_server_picks_another_live_peer_and_there_is_none_without(server, account, receiver, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    (here / "one.bin").write_bytes(os.urandom(MIB))
    ended = put(server, at_anna, here / "one.bin")
    assert ended.returncode == 5 and "live" in ended.stderr, ended
    peer = receiver(at_ben, inbox, "--accept", "everyone")
    assert put(server, at_anna, here / "one.bin").returncode == 0
    assert (inbox / "one.bin").read_bytes() == (here / "one.bin").read_bytes()
    assert put(server, at_anna, here / "one.bin").returncode == 6
    peer.stop()
    assert put(server, at_anna, here / "one.bin", "--to", peer.id).returncode == 5
    assert put(server, at_anna, here / "none.bin").returncode == 5
    live = json.loads(run(server, at_anna, "peers", "--all", "--json").stdout)
    assert live == [], "whoever put is forgotten"


def test_a_pick_that_refuses_is_followed_by_another(server, account, receiver, folder):
    (_, at_anna), (eve, at_eve) = account("anna"), account("eve")
    here, yes = folder("here"), folder("yes")
    names = [f"{number}.txt" for number in range(7)]
    for name in names:
        (here / name).write_text(name)
    peer = receiver(at_eve, yes, "--accept", "everyone")
    # It was named often, and those who come then were not.
    for name in names[:3]:
        assert put(server, at_anna, here / name, "--to", peer.id).returncode == 0
    for name in names[3:5]:
        assert put(server, at_anna, here / name).returncode == 0
    others = {}
    for label in ("closed", "contacts", "strict"):
        others[label] = folder(label)
        accept = ("nobody",) if label == "closed" else ("contacts", "--contact", "someone-else")
        receiver(account(label)[1], others[label], "--accept", *accept)
    asked = []
    for name in names[5:]:
        ended = put(server, at_anna, here / name, "--json")
        assert ended.returncode == 0, ended
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        asked.append(sum(event["event"] == "refused" for event in events))
    assert asked == [2, 2], "the others come before her, whom the last one went to; and whoever takes nothing never"
    assert all(os.listdir(inbox) == [] for inbox in others.values()) and sorted(os.listdir(yes)) == names
    peer.stop()
    ended = put(server, at_anna, here / names[0])
    assert ended.returncode == 4 and "does not take it" in ended.stderr, ended


@pytest.mark.parametrize("options, words", [
    ((), "nobody is there to be asked"),
    (("--accept", "contacts", "--contact", "someone-else"), "contacts alone"),
    (("--accept", "nobody"), "takes no files at the moment"),
    (("--accept", "everyone", "--quota", "1000000"), "the quota is used up"),
    (("--accept", "everyone", "--max-bytes", "999999"), "at once"),
])
def test_what_the_rules_do_not_let_in_is_refused_with_the_reason(server, account, receiver, folder, options, words):
    (_, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    (here / "big.bin").write_bytes(os.urandom(MIB))
    peer = receiver(at_ben, inbox, *options)
    ended = put(server, at_anna, here / "big.bin", "--to", ben)
    assert ended.returncode == 4 and words in ended.stderr and "does not take it" in ended.stderr, ended
    assert words in peer.until("not-taken")["reason"]
    assert os.listdir(inbox) == []


def test_the_quota_counts_what_lies_there_and_ones_own_need_no_rule(server, account, receiver, folder):
    login, environment = account("anna")
    here, inbox = folder("here"), folder("inbox")
    for name in ("one.bin", "two.bin"):
        (here / name).write_bytes(os.urandom(600_000))
    receiver(environment, inbox, "--quota", "1000000")
    assert put(server, environment, here / "one.bin", "--to", login).returncode == 0
    ended = put(server, environment, here / "two.bin", "--to", login)
    assert ended.returncode == 4 and "room for 400000" in ended.stderr, ended
    (inbox / "one.bin").unlink()
    assert put(server, environment, here / "two.bin", "--to", login).returncode == 0


def test_a_folder_with_odd_names_arrives_as_it_is(server, account, receiver, folder):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    shared, inbox = folder("música — ñandú (1)"), folder("inbox")
    for number in range(40):
        place = shared / f"álbum {number % 3}" / f"canción {number} [live].txt"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(os.urandom(number * 371))
    (shared / "large one.bin").write_bytes(os.urandom(2 * MIB + 5))
    (shared / "nothing in it").mkdir()
    (shared / "empty").write_bytes(b"")
    receiver(at_ben, inbox, "--contact", anna)
    ended = put(server, at_anna, shared, "--to", ben)
    assert ended.returncode == 0, ended
    same(shared, inbox / shared.name)
    again = put(server, at_anna, shared, "--to", ben)
    assert again.returncode == 6, again
    (shared / "a\\b").write_text("left out")
    (shared / "new.txt").write_text("new")
    ended = put(server, at_anna, shared, "--to", ben)
    assert ended.returncode == 0 and "backslash" in ended.stderr, ended
    assert (inbox / f"{shared.name} (2)" / "new.txt").read_text() == "new"
    assert sorted(os.listdir(inbox)) == [shared.name, f"{shared.name} (2)"]


@pytest.mark.parametrize("typed, code", [("y", 0), ("n", 4)])
def test_somebody_at_the_terminal_is_asked(server, account, receiver, folder, typed, code):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    (here / "a.txt").write_text("a")
    terminal, theirs = os.openpty()
    try:
        peer = receiver(at_ben, inbox, terminal=theirs)
        putting = Putting(server, at_anna, here / "a.txt", "--to", ben)
        assert peer.until("asking")["account"] == anna
        putting.until("asking")
        os.write(terminal, f"{typed}\n".encode())
        ended, told = putting.end()
        assert ended == code, told
        assert (inbox / "a.txt").exists() == (code == 0)
        peer.stop()
    finally:
        os.close(terminal)
        os.close(theirs)


class Putting:
    """`chaski put --json` while it runs, with what it tells."""

    def __init__(self, server, environment, *words):
        command = [server.binary, "put", *map(str, words), "--listen", "127.0.0.1:0", "--json"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, kind, least=0):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == kind and event.get("bytes", 0) >= least:
                return event
        raise AssertionError(f"it ended without {kind}: {self.process.stderr.read()}")

    def end(self):
        _, told = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, told


@pytest.mark.parametrize("killed", ["receiver", "put"])
def test_what_was_interrupted_goes_on(server, account, receiver, folder, killed):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here"), folder("inbox")
    content = os.urandom(96 * MIB)
    (here / "long.bin").write_bytes(content)
    peer = receiver(at_ben, inbox, "--contact", anna)
    # Slowly enough that it can be killed between.
    putting = Putting(server, at_anna, here / "long.bin", "--to", peer.id, "--limit-rate", "24MiB")
    putting.until("progress", least=8 * MIB)
    if killed == "receiver":
        peer.kill()
        code, _ = putting.end()
        assert code == 3
        peer = receiver(at_ben, inbox, "--contact", anna)
    else:
        putting.process.send_signal(signal.SIGINT)
        code, told = putting.end()
        assert code == 1 and "run the same command to go on" in told
        assert "taken back" in peer.until("not-taken")["reason"]
    parts = [name for name in os.listdir(inbox) if name.endswith(".chaski-part")]
    assert len(parts) == 1 and os.listdir(inbox) == parts
    held = os.stat(inbox / parts[0]).st_blocks * 512
    assert held >= 4 * MIB
    putting = Putting(server, at_anna, here / "long.bin", "--to", ben, "--limit-rate", "48MiB")
    first = putting.until("progress", least=1)
    assert first["bytes"] >= min(held, 4 * MIB), "what was there is not fetched again"
    assert putting.end()[0] == 0
    assert (inbox / "long.bin").read_bytes() == content
    assert os.listdir(inbox) == ["long.bin"]


class Stranger:
    """A program that speaks to a peer as its users write it: it offers what it likes."""

    def __init__(self, server, login, address):
        self._api = Rest(server, login, PASSWORD)
        self._id = secrets.token_hex(16)
        me = {"name": "stranger", "addresses": ["127.0.0.1:1"], "key": secrets.token_hex(32), "relay": False}
        self._api.put(f"/v1/peers/{self._id}", me).ok(201)
        host, _, port = address.rpartition(":")
        certificate = ssl.get_server_certificate((host, int(port))).encode()
        credentials = grpc.ssl_channel_credentials(root_certificates=certificate)
        self._channel = grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", "peer.chaski")])

    def ticket(self, peer, root):
        """The server's permission to offer a content, as bytes."""
        wish = {"from": self._id, "root": root.hex(), "name": "a.txt", "size": 5, "kind": "file", "to": {"peer": peer}}
        [receiver] = self._api.post("/v1/offers", wish).ok()["receivers"]
        return base64.urlsafe_b64decode(receiver["ticket"] + "=" * (-len(receiver["ticket"]) % 4))

    def offer(self, **fields):
        request = v1.OfferRequest(**{"name": "a.txt", "size": 5, "addresses": ["127.0.0.1:1"], "key": bytes(32), "secret": bytes(32), **fields})
        return list(v1.PeerServiceStub(self._channel).Offer(request, timeout=PATIENCE_S))

    def close(self):
        self._channel.close()
        self._api.delete(f"/v1/peers/{self._id}?forget=true")


@pytest.fixture
def stranger(server):
    opened = []

    def opener(login, address):
        opened.append(Stranger(server, login, address))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def test_a_name_that_would_escape_is_refused_and_shown(account, receiver, folder, stranger):
    (eve, _), (_, at_ben) = account("eve"), account("ben")
    inbox = folder("inbox")
    peer = receiver(at_ben, inbox, "--accept", "everyone")
    offering, root = stranger(eve, peer.address), secrets.token_bytes(32)
    ticket = offering.ticket(peer.id, root)
    for name in ("../evil", "/etc/evil", "a/evil", "..", "", "a\\evil", "CON", ".bashrc", "evil\u202e", "e\nvil"):
        [answer] = offering.offer(ticket=ticket, root=root, name=name)
        assert "is refused" in answer.refused, (name, answer)
        assert "\n" not in answer.refused and "\u202e" not in answer.refused
    assert "evil" in offering.offer(ticket=ticket, root=root, name="../evil")[0].refused
    assert os.listdir(inbox) == [] and not (inbox.parent / "evil").exists()


def test_a_wrong_ticket_opens_nothing(account, receiver, folder, stranger):
    (eve, _), (_, at_ben) = account("eve"), account("ben")
    inbox = folder("inbox")
    peer = receiver(at_ben, inbox, "--accept", "everyone")
    offering, root = stranger(eve, peer.address), secrets.token_bytes(32)
    ticket = offering.ticket(peer.id, root)
    forged = ticket[:-1] + bytes([ticket[-1] ^ 1])
    for wrong, words in ((forged, "forged"), (b"", "damaged"), (offering.ticket(peer.id, bytes(32)), "another content")):
        with pytest.raises(grpc.RpcError) as refused:
            offering.offer(ticket=wrong, root=root)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED and words in refused.value.details()
    for nonsense in ({"root": b"short"}, {"addresses": ["192.0.2.7:1"] * 17}, {"secret": b""}, {"key": b"x"}, {"size": 1 << 60}):
        with pytest.raises(grpc.RpcError) as refused:
            offering.offer(**{"ticket": ticket, "root": root, **nonsense})
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, nonsense
