"""The gRPC service PServer of older peers, as `chaski peer --classroom` answers it: a connection for each call, messages of nothing but numbers."""

import json
import os
import signal
import socket
import subprocess
import threading
from concurrent import futures

import grpc
import pytest

from classroom import INT32, PATIENCE, TEXT, Json, described, open_classroom
from clients import differs_on_rabbitmq
from command_line import run
from files_peer import PATIENCE_S, get, same, wait_for_file, wait_until
from harness.brokers import port_of
from rest import PASSWORD, Rest

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]

MIB = 1 << 20
MESSAGES = described("", {
    "UserData": [("username", TEXT), ("password", TEXT)], "Username": [("username", TEXT)], "File": [("file_name", TEXT)],
    "Response": [("status_code", INT32)],
})


@pytest.fixture(scope="module")
def server():
    started = open_classroom()
    started.start()
    yield started
    started.stop()


def ask(address, method, message):
    """Calls a peer on a channel of its own, as older clients do; gives the status."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(f"/PServer/{method}", request_serializer=lambda each: each.SerializeToString(),
                                   response_deserializer=MESSAGES["Response"].FromString)
        return call(message, timeout=PATIENCE).status_code


def named(address, method, name):
    return ask(address, method, MESSAGES["File"](file_name=name))


def log_in(address, login, password=PASSWORD):
    return ask(address, "Login", MESSAGES["UserData"](username=login, password=password))


def log_out(address, login):
    return ask(address, "Logout", MESSAGES["Username"](username=login))


class Peer:
    """`chaski peer --json`, with all that it has told."""

    def __init__(self, server, environment, *options, listen="127.0.0.1:0", cwd=None):
        state = f"{environment['HOME']}/state-{id(self)}"
        environment = {**environment, "XDG_STATE_HOME": state}
        words = [server.binary, "peer", *map(str, options), "--listen", listen, "--json"]
        self.process = subprocess.Popen(words, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.events = []
        self._reader = threading.Thread(target=lambda: self.events.extend(map(json.loads, self.process.stdout)), daemon=True)
        self._reader.start()
        self.address = self.told("listening")["address"]
        self.told("ready")
        self.told("server", state="live")

    def told(self, kind, **wanted):
        """Waits for an event; gives it."""
        def found():
            fits = [event for event in list(self.events)
                    if event["event"] == kind and all(event.get(name) == value for name, value in wanted.items())]
            assert fits or self.process.poll() is None, "it ended"
            return fits[0] if fits else None

        return wait_until(found, f"{kind} {wanted}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(PATIENCE_S) == 0
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()


@pytest.fixture
def peer(server):
    opened = []

    def opener(environment, *options, index=True, **more):
        list_of_older = ("--classroom-index", server.classroom_rest) if index and "--classroom" in options else ()
        opened.append(Peer(server, environment, *options, *list_of_older, **more))
        return opened[-1]

    yield opener
    for each in opened:
        each.stop()


@pytest.fixture
def folder(tmp_path):
    def maker(name, **files):
        made = tmp_path / name
        made.mkdir()
        for file, content in files.items():
            (made / f"{file}.bin").write_bytes(content)
        return made

    return maker


class Course(grpc.GenericRpcHandler):
    """A peer of the older system: it knows names, and says what it is told to say."""

    def __init__(self, server, login, *files):
        self.asked, self.status = [], 200
        self._api, self._login = Json(server), login
        self._server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[self])
        self.url = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        assert self._api.call("POST", "/login", username=login, password="pw", url=self.url)[0] == 200
        assert self._api.call("POST", "/index", files=list(files), url=self.url)[0] == 200

    def service(self, details):
        def answer(request, _):
            self.asked.append((details.method.removeprefix("/PServer/"), request.file_name))
            return MESSAGES["Response"](status_code=self.status)

        return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=MESSAGES["File"].FromString,
                                                   response_serializer=lambda each: each.SerializeToString())

    def close(self):
        self._api.call("POST", "/logout", username=self._login)
        self._server.stop(None)


@pytest.fixture
def course(server):
    opened = []

    def opener(login, *files):
        opened.append(Course(server, login, *files))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def test_a_download_brings_the_bytes_and_an_upload_lands_with_another_peer(server, account, peer, folder):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    small, large = b"few", os.urandom(3 * MIB + 17)
    here, there, inbox = folder("here", mine=os.urandom(2 * MIB + 5)), folder("there", theirs=large, few=small), folder("inbox")
    place = folder("place")
    own = peer(at_anna, "--share", here, "--receive", place, "--classroom")
    other = peer(at_ben, "--share", there, "--receive", inbox, "--accept", "everyone", "--classroom")
    assert own.told("classroom")["callers"] == "local" and own.told("classroom")["fetches"] is True
    assert log_in(own.address, anna) == 200
    for name in ("theirs.bin", "few.bin"):
        wait_for_file(server, at_anna, name)
        assert named(own.address, "DownloadFileRequest", name) == 200
        same(place / name, there / name)
        own.told("classroom-fetched", name=name, path=str(place / name))
        assert named(own.address, "DownloadFileRequest", name) == 409, "it is there already"

    assert named(own.address, "UploadFileRequest", "mine.bin") == 200
    same(here / "mine.bin", inbox / "mine.bin")
    assert own.told("classroom-sent", name="mine.bin")["to"].startswith(f"{ben}/")
    other.told("received", account=anna, name="mine.bin")
    assert named(own.address, "UploadFileRequest", "mine.bin") == 409, "that peer has it already"
    assert sorted(os.listdir(inbox)) == ["mine.bin"]
    assert sorted(os.listdir(place)) == ["few.bin", "theirs.bin"] and os.listdir(here) == ["mine.bin"]


def test_what_is_for_few_is_neither_given_on_nor_sent_nor_told(server, account, peer, folder):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    few, everyone, theirs = folder("few", both=b"for few", own=b"for few, too"), folder("everyone", both=b"for everyone"), folder("theirs", secret=b"secret")
    closed = peer(at_anna, "--share", few, "--to", ben, "--classroom")
    assert closed.told("classroom")["fetches"] is False
    inbox = folder("inbox")
    peer(at_ben, "--share", theirs, "--to", anna, "--receive", inbox, "--accept", "everyone")
    wait_for_file(server, at_anna, "secret.bin")
    assert named(closed.address, "UploadFile", "own.bin") == 200, "whoever has not logged in learns nothing of it"
    assert log_in(closed.address, anna) == 200
    assert named(closed.address, "UploadFile", "both.bin") == 409
    assert named(closed.address, "DownloadFileRequest", "secret.bin") == 404, "there is no folder that is not shared"
    assert "--receive" in closed.told("classroom-failed", name="secret.bin")["reason"]
    assert sorted(os.listdir(few)) == ["both.bin", "own.bin"]
    assert named(closed.address, "UploadFileRequest", "own.bin") == 404, "it is not for everyone"
    assert os.listdir(inbox) == []
    opened = peer(at_anna, "--share", everyone, "--classroom")
    assert log_in(opened.address, anna) == 200
    assert named(opened.address, "UploadFileRequest", "both.bin") == 200
    assert (inbox / "both.bin").read_bytes() == b"for everyone"


def test_who_hangs_up_goes_on_with_what_came(server, account, peer, folder):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    content = os.urandom(3 * MIB)
    here, there = folder("here"), folder("there", slow=content)
    own = peer(at_anna, "--receive", here, "--classroom")
    peer(at_ben, "--share", there, "--limit-rate", "256KiB")
    wait_for_file(server, at_anna, "slow.bin")
    assert log_in(own.address, anna) == 200
    with grpc.insecure_channel(own.address) as channel:
        call = channel.unary_unary("/PServer/DownloadFileRequest").future(MESSAGES["File"](file_name="slow.bin").SerializeToString())
        part = wait_until(lambda: [name for name in os.listdir(here) if name.endswith(".chaski-part")], "something of it")
        wait_until(lambda: (here / part[0]).stat().st_blocks > 0, "a group of it")
        assert named(own.address, "DownloadFileRequest", "slow.bin") == 429, "it is not there, another call fetches it"
        assert not (here / "slow.bin").exists()
        call.cancel()
    assert named(own.address, "DownloadFileRequest", "slow.bin") == 200, "it goes on as soon as that call lets go"
    assert (here / "slow.bin").read_bytes() == content and os.listdir(here) == ["slow.bin"]


def test_who_has_not_logged_in_moves_nothing(server, account, peer, folder):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, there = folder("here", mine=b"mine"), folder("there", theirs=b"theirs")
    own = peer(at_anna, "--share", here, "--receive", here, "--classroom")
    peer(at_ben, "--share", there)
    wait_for_file(server, at_anna, "theirs.bin")

    def refused():
        assert named(own.address, "DownloadFileRequest", "theirs.bin") == 401
        assert named(own.address, "UploadFileRequest", "mine.bin") == 401
        assert os.listdir(here) == ["mine.bin"]

    refused()
    assert log_in(own.address, anna, "wrong") == 401
    assert log_in(own.address, ben) == 401, "it is not the account of this peer"
    assert log_in(own.address, "nobody") == 401 and log_in(own.address, "") == 401
    assert log_out(own.address, anna) == 401
    refused()
    assert log_in(own.address, anna.upper()) == 401, "case counts"
    # After wrong passwords the server may want some time to pass.
    wait_until(lambda: log_in(own.address, anna) == 200, "the right password is taken")
    sessions = Rest(server, anna, PASSWORD).get("/v1/sessions").ok()["items"]
    assert "chaski peer --classroom" not in [session.get("client") for session in sessions], "none is left behind"
    assert log_out(own.address, ben) == 401
    assert named(own.address, "DownloadFileRequest", "theirs.bin") == 200
    assert log_out(own.address, anna) == 200
    assert log_out(own.address, anna) == 401
    assert named(own.address, "DownloadFileRequest", "none.bin") == 401


def test_what_nobody_has_or_nobody_takes_is_not_found(account, peer, folder):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    here, inbox = folder("here", mine=b"mine"), folder("inbox")
    own = peer(at_anna, "--share", here, "--receive", here, "--classroom")
    assert log_in(own.address, anna) == 200
    assert named(own.address, "DownloadFileRequest", "none.bin") == 404
    assert named(own.address, "UploadFileRequest", "none.bin") == 404
    assert named(own.address, "UploadFileRequest", "mine.bin") == 404, "nobody is there to take it"
    closed = peer(at_ben, "--receive", inbox, "--accept", "contacts")
    assert named(own.address, "UploadFileRequest", "mine.bin") == 404, "nobody takes it"
    closed.told("not-taken", name="mine.bin")
    assert os.listdir(inbox) == []
    (here / "there.bin").write_bytes(b"x")
    assert named(own.address, "DownloadFileRequest", "there.bin") == 409


BAD_NAMES = ["", ".", "..", "../mine.bin", "/etc/passwd", "a/b", "a\\b", "a\0b", "CON", ".hidden", "x" * 300, "a\u202eb", "chaski:" + "0" * 64]


def test_names_that_are_none_are_not_found(account, peer, folder):
    anna, at_anna = account("anna")
    here = folder("here", mine=b"mine")
    own = peer(at_anna, "--share", here, "--classroom")
    assert log_in(own.address, anna) == 200
    for name in BAD_NAMES:
        for method in ("DownloadFileRequest", "DownloadFile", "UploadFileRequest"):
            assert named(own.address, method, name) == 404, (method, name)
        assert named(own.address, "UploadFile", name) in (200, 404), name
    with pytest.raises(grpc.RpcError) as failed:
        named(own.address, "DownloadFile", "x" * 100_000)
    assert failed.value.code() in (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    with grpc.insecure_channel(own.address) as channel:
        for path in ("/PServer/Nothing", "/chaski.v1.PeerService/Fetch"):
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary(path)(b"", timeout=PATIENCE)
            assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert named(own.address, "DownloadFile", "mine.bin") == 200, "it goes on"
    assert os.listdir(here) == ["mine.bin"]


def test_it_is_off_by_default(account, peer, folder):
    anna, at_anna = account("anna")
    usual = peer(at_anna, "--share", folder("here", mine=b"mine"))
    assert "classroom" not in [event["event"] for event in usual.events]
    with pytest.raises(grpc.RpcError) as failed:
        log_in(usual.address, anna)
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE


def test_other_peers_are_answered_over_tls_on_the_same_port(server, account, peer, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    content = os.urandom(MIB + 1)
    own = peer(at_anna, "--share", folder("here", mine=content), "--no-relay", "--classroom=anyone")
    assert own.told("classroom")["callers"] == "anyone"
    wait_for_file(server, at_ben, "mine.bin")
    place = folder("place")
    ended = get(server, at_ben, place, "mine.bin")
    assert ended.returncode == 0, ended
    assert (place / "mine.bin").read_bytes() == content
    assert named(own.address, "DownloadFile", "mine.bin") == 200


def test_who_says_nothing_or_something_else_is_dropped(account, peer, folder):
    _, at_anna = account("anna")
    own = peer(at_anna, "--share", folder("here", mine=b"mine"), "--classroom")
    for first in (b"", b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + b"\xff" * 64):
        with socket.create_connection(("127.0.0.1", port_of(own.address)), timeout=PATIENCE) as caller:
            caller.sendall(first)
            try:
                while caller.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert named(own.address, "DownloadFile", "mine.bin") == 200


def test_the_list_of_older_peers_names_the_address_where_it_answers(server, account, peer, folder):
    _, at_anna = account("anna")
    own = peer(at_anna, "--share", folder("here", mine=b"mine"), "--classroom", listen="0.0.0.0:0")
    wait_for_file(server, at_anna, "mine.bin")
    status, urls = Json(server).call("GET", "/query", file_name="mine.bin")
    assert status == 200 and len(urls) == 1, urls
    assert port_of(urls[0]) == port_of(own.address)
    assert named(urls[0], "DownloadFile", "mine.bin") == 200
    assert named(urls[0], "DownloadFile", "none.bin") == 404


def test_older_peers_are_called_and_answered_by_the_book(server, account, peer, folder, course):
    anna, at_anna = account("anna")
    here = folder("here", mine=b"mine")
    own = peer(at_anna, "--share", here, "--classroom")
    assert log_in(own.address, anna) == 200
    older = course("oldpeer", "old.bin")
    assert named(own.address, "DownloadFileRequest", "old.bin") == 200
    assert older.asked == [("DownloadFile", "old.bin")]
    assert own.told("classroom-asked", name="old.bin", upload=False)["at"] == older.url
    assert os.listdir(here) == ["mine.bin"], "no bytes moved, and nothing says otherwise"
    assert named(own.address, "UploadFileRequest", "mine.bin") == 200
    assert older.asked[1:] == [("UploadFile", "mine.bin")]
    own.told("classroom-asked", name="mine.bin", upload=True)
    for status, passed in ((401, 401), (404, 404), (409, 409), (0, 502), (500, 502), (-1, 502)):
        older.status = status
        assert named(own.address, "DownloadFileRequest", "old.bin") == passed
        assert named(own.address, "UploadFileRequest", "mine.bin") == passed
    assert named(own.address, "DownloadFileRequest", "none.bin") == 404

    # The other way round: what an older peer calls.
    wait_for_file(server, at_anna, "mine.bin")
    assert Json(server).call("GET", "/query", file_name="mine.bin") == (200, [own.address])
    assert named(own.address, "DownloadFile", "mine.bin") == 200
    assert named(own.address, "DownloadFile", "old.bin") == 404
    assert named(own.address, "UploadFile", "mine.bin") == 409
    assert named(own.address, "UploadFile", "old.bin") == 200
    assert named(own.address, "UploadFile", "old.bin") == 409, "it was said before"
    own.told("classroom-announced", name="old.bin")
    assert os.listdir(here) == ["mine.bin"]


def test_bytes_are_preferred_to_names_and_what_is_for_few_is_told_to_nobody(server, account, peer, folder, course):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    here, there = folder("here", mine=b"mine"), folder("there", both=b"bytes")
    place = folder("place")
    own = peer(at_anna, "--share", here, "--receive", place, "--to", ben, "--classroom")
    peer(at_ben, "--share", there, "--to", anna)
    older = course("another", "both.bin")
    wait_for_file(server, at_anna, "both.bin")
    assert named(own.address, "DownloadFile", "mine.bin") == 404, "it is not for everyone"
    assert log_in(own.address, anna) == 200
    assert named(own.address, "DownloadFileRequest", "both.bin") == 200
    assert (place / "both.bin").read_bytes() == b"bytes" and older.asked == []


def test_a_file_of_variables_of_the_older_peer_is_understood(server, account, peer, folder, course):
    anna, at_anna = account("anna")
    place = folder("place")
    host, port = server.classroom_rest.rsplit(":", 1)
    (place / ".env").write_text(f"SERVER_URL=http://{host}\nSERVER_PORT={port}\nPSERVER_LOCAL_URL=127.0.0.1\nPSERVER_PORT=0\n")
    own = peer(at_anna, "--share", folder("here"), "--classroom", index=False, cwd=place)
    older = course("oldest", "older.bin")
    assert log_in(own.address, anna) == 200
    assert named(own.address, "DownloadFileRequest", "older.bin") == 200
    assert older.asked == [("DownloadFile", "older.bin")]


def test_mistakes_in_the_flags_are_told(server, account, folder):
    _, at_anna = account("anna")
    here = folder("here")
    for words in (("--classroom=me",), ("--classroom", "--no-listen"), ("--classroom-index", "127.0.0.1:1")):
        ended = run(server, at_anna, "peer", "--share", str(here), *words)
        assert ended.returncode == 2 and "--classroom" in ended.stderr, ended
