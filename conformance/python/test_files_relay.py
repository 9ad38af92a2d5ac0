"""The relay: peers that cannot reach each other speak through the server, bounded, and move to a direct path when there is one."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import websocket

from clients import differs_on_rabbitmq
from command_line import run
from files_peer import PATIENCE_S, get, wait_until
from harness.brokers import Chaski
from harness.memory import resident
from harness.ports import Ports
from rest import PASSWORD, Rest

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files"), pytest.mark.timeout(120)]

MIB = 1 << 20
RATE = 8 * MIB
CALLS, CALLS_PER_ACCOUNT = 5, 3


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"files.heartbeat_s": 1, "files.silence_s": 5, "files.relay_bytes_per_s": RATE,
                               "files.relay_max_calls": CALLS, "files.relay_max_calls_per_account": CALLS_PER_ACCOUNT})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def share(server, tmp_path):
    """Starts peers that share a folder of their own, on their own terms; they are stopped at the end."""
    opened = []

    def opener(environment, *options):
        shared = tmp_path / f"shared {len(opened)}"
        shared.mkdir()
        command = [server.binary, "peer", "--share", str(shared), "--json", *options]
        opened.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        return shared

    yield opener
    for each in opened:
        each.send_signal(signal.SIGINT)
    for each in opened:
        _, told = each.communicate(timeout=PATIENCE_S)
        assert each.returncode == 0, told


@pytest.fixture
def here(tmp_path):
    made = tmp_path / "here"
    made.mkdir()
    return made


def metric(server, name):
    return float(re.search(rf"^{name} (\S+)$", Rest(server).get("/metrics").text, re.M)[1])


def wait_for(server, environment, name):
    """Waits until a file is found and its peer can be called."""
    def there():
        found = json.loads(run(server, environment, "find", "--glob", name, "--json").stdout or "[]")
        return found and metric(server, "chaski_file_relay_lines") >= 1

    wait_until(there, f"a peer with {name}")


def test_a_peer_without_addresses_is_fetched_from(server, account, share, here):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared = share(at_anna, "--no-listen")
    content = os.urandom(3 * MIB + 17)
    (shared / "far.bin").write_bytes(content)
    for number in range(40):
        (shared / f"{number}.txt").write_text(f"text {number}")
    wait_for(server, at_ben, "far.bin")
    before = metric(server, "chaski_file_relay_bytes_total")
    ended = get(server, at_ben, here, "far.bin")
    assert ended.returncode == 0, ended
    assert (here / "far.bin").read_bytes() == content
    assert metric(server, "chaski_file_relay_bytes_total") - before > len(content)
    wait_until(lambda: metric(server, "chaski_file_relay_calls") == 0, "the end of the call")
    (_, own), *_ = [(each["name"], each) for each in json.loads(run(server, at_ben, "peers", "--json").stdout) if not each["addresses"]]
    assert own["relay"] is True

    def whole():
        """Fetches the folder, as it is by then: it may be told of before the last file was written."""
        done = get(server, at_ben, here, shared.name)
        if done.returncode == 0 and (here / shared.name / "39.txt").exists():
            return done
        shutil.rmtree(here / shared.name, ignore_errors=True)
        return None

    ended = wait_until(whole, "the folder")
    assert (here / shared.name / "39.txt").read_text() == "text 39" and (here / shared.name / "far.bin").read_bytes() == content


def test_the_relay_is_reached_over_tls_too(server, account, share, here):
    (anna, at_anna), (ben, at_ben) = account("anna"), account("ben")
    certificate = server.directory / "data" / "tls" / "server.crt"
    for login, environment in ((anna, at_anna), (ben, at_ben)):
        words = ["login", server.https_url, "--login", login, "--password-stdin", "--ca", str(certificate)]
        ended = run(server, environment, *words, input=f"{PASSWORD}\n")
        assert ended.returncode == 0, ended
    shared = share(at_anna, "--no-listen")
    (shared / "tls.bin").write_bytes(b"over TLS")
    wait_for(server, at_ben, "tls.bin")
    ended = get(server, at_ben, here, "tls.bin")
    assert ended.returncode == 0 and (here / "tls.bin").read_bytes() == b"over TLS", ended


def test_who_does_not_want_the_relay_is_not_called(server, account, share, here):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    nobody = Ports(1)
    shared = share(at_anna, "--no-relay", "--listen", "127.0.0.1:0", "--address", f"127.0.0.1:{nobody.numbers[0]}")
    (shared / "near.bin").write_bytes(b"near")
    wait_until(lambda: json.loads(run(server, at_ben, "find", "--glob", "near.bin", "--json").stdout or "[]"), "the file")
    peers = json.loads(run(server, at_anna, "peers", "--json").stdout)
    assert [each["relay"] for each in peers if each["own"]] == [False]
    fetching = subprocess.Popen([server.binary, "get", "near.bin"], cwd=here, env=at_ben, stderr=subprocess.PIPE, text=True)
    try:
        told = fetching.stderr.readline()
    finally:
        fetching.kill()
        fetching.communicate()
    assert "cannot reach it" in told and "through the server" not in told, told


class Forward:
    """Lets a port lead to another one, and counts what comes back."""

    def __init__(self, port, to):
        self.bytes = 0
        self._to = to
        self._socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, one, other, counts):
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
                self.bytes += len(data) if counts else 0
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self._socket.close()


def progress(process, condition):
    """Takes what a download tells up to what is waited for."""
    for line in process.stdout:
        event = json.loads(line)
        if condition(event):
            return event
    raise AssertionError(f"it ended: {process.communicate()}")


def test_a_download_moves_to_the_direct_path_and_fetches_nothing_twice(server, account, share, here):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    ports = Ports(2)
    port, shown = ports.numbers
    shared = share(at_anna, "--listen", f"127.0.0.1:{port}", "--address", f"127.0.0.1:{shown}")
    content = os.urandom(64 * MIB)
    (shared / "moves.bin").write_bytes(content)
    wait_for(server, at_ben, "moves.bin")
    before = metric(server, "chaski_file_relay_bytes_total")
    fetching = subprocess.Popen([server.binary, "get", "moves.bin", "--json"], cwd=here, env=at_ben,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = progress(fetching, lambda event: event["event"] == "progress" and event["relayed"] == 1 and event["bytes"] > MIB)
    assert len(begun["sources"]) == 1
    path = Forward(shown, port)
    try:
        moved = progress(fetching, lambda event: event["event"] == "progress" and event["relayed"] == 0)
        assert 0 < moved["bytes"] < len(content)
        done = progress(fetching, lambda event: event["event"] == "done")
        assert fetching.wait(PATIENCE_S) == 0, fetching.communicate()
    finally:
        path.close()
        fetching.kill()
        fetching.communicate()
    assert done["liars"] == 0
    assert (here / "moves.bin").read_bytes() == content
    relayed = metric(server, "chaski_file_relay_bytes_total") - before
    assert MIB < relayed < len(content) and path.bytes > MIB
    # The tree and the records of TLS are a little more than the bytes.
    assert relayed + path.bytes < 1.03 * len(content), (relayed, path.bytes)


def test_a_download_through_the_server_outlives_it(server, account, share, here):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared = share(at_anna, "--no-listen")
    content = os.urandom(24 * MIB)
    (shared / "long.bin").write_bytes(content)
    wait_for(server, at_ben, "long.bin")
    fetching = subprocess.Popen([server.binary, "get", "long.bin", "--json"], cwd=here, env=at_ben,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        progress(fetching, lambda event: event["event"] == "progress" and event["bytes"] > 4 * MIB)
        server.kill()
        server.start()
        progress(fetching, lambda event: event["event"] == "done")
        assert fetching.wait(PATIENCE_S) == 0
    finally:
        fetching.kill()
        fetching.communicate()
    assert (here / "long.bin").read_bytes() == content
    assert 0 < metric(server, "chaski_file_relay_bytes_total") < len(content), "what was there was not fetched again"


# The doors of the server, by hand


@pytest.fixture
def member(server):
    def maker(label):
        login = f"{label}-{secrets.token_hex(4)}"
        Rest(server).post("/v1/accounts", {"login": login, "password": PASSWORD}).ok(201)
        return Rest(server, login, PASSWORD)

    return maker


@pytest.fixture
def dial(server):
    """Opens WebSockets, closed at the end."""
    opened = []

    def opener(rest, path):
        headers = [f"Authorization: {rest.authorization}"] if rest else []
        url = server.http_url.replace("http", "ws", 1) + path
        opened.append(websocket.create_connection(url, timeout=15, header=headers))
        return opened[-1]

    yield opener
    for each in opened:
        each.close(timeout=1)


def announced(rest):
    path = "/v1/peers/" + secrets.token_hex(16)
    wish = {"name": "far", "addresses": [], "key": "ab" * 32, "relay": True}
    assert rest.put(path, wish).ok(201)["relay"] is True
    return path


def refused(dial, rest, path, status, *words):
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        dial(rest, path)
    told = caught.value.resp_body.decode()
    assert caught.value.status_code == status and all(word in told for word in words), (caught.value.status_code, told)


def connected(dial, line, caller, callee, path):
    """A call: the caller's end, and the peer's."""
    with ThreadPoolExecutor() as pool:
        calling = pool.submit(dial, caller, path + "/call")
        call = json.loads(line.recv())["call"]
        taken = dial(callee, f"{path}/relay/{call}")
        return calling.result(15), taken


def closed(link):
    opcode, data = link.recv_data(control_frame=False)
    assert opcode == websocket.ABNF.OPCODE_CLOSE, (opcode, data)
    return int.from_bytes(data[:2], "big")


def test_what_one_end_sends_comes_out_at_the_other_until_one_closes(member, dial):
    anna, ben = member("anna"), member("ben")
    path = announced(anna)
    line = dial(anna, path + "/relay")
    near, far = connected(dial, line, ben, anna, path)
    sent = os.urandom(300_000)
    for place in range(0, len(sent), 50_000):
        near.send_binary(sent[place:place + 50_000])
    assert b"".join(far.recv() for _ in range(6)) == sent
    far.send_binary(b"back")
    assert near.recv() == b"back"
    far.close()
    assert closed(near) == 1000
    near, far = connected(dial, line, ben, anna, path)
    near.send("text")
    assert closed(near) == 1003 and closed(far) == 1003
    near, far = connected(dial, line, ben, anna, path)
    near.send_binary(bytes((64 << 10) + 1))
    assert closed(far) == 1000, "more than a message may have ends the call"


def test_who_does_not_read_makes_the_other_wait_and_costs_no_memory(server, member, dial):
    anna = member("anna")
    path = announced(anna)
    line = dial(anna, path + "/relay")
    near, far = connected(dial, line, anna, anna, path)
    before = resident(server)
    near.settimeout(2)
    sent = 0
    with pytest.raises((websocket.WebSocketTimeoutException, TimeoutError)):
        while sent < 256 * MIB:
            sent += near.send_binary(bytes(64 << 10))
    # What the kernel keeps on the way is not the server's.
    assert resident(server) - before < 8 * MIB
    held = sent
    while held > 0:
        held -= len(far.recv()) + 14
    assert sent > MIB


def test_strangers_and_other_accounts_get_nowhere(server, member, dial):
    anna, eve = member("anna"), member("eve")
    path = announced(anna)
    refused(dial, eve, path + "/call", 404, "no line")
    for door in ("/relay", "/relay/0", "/call"):
        refused(dial, None, path + door, 401)
        assert anna.get(path + door).status == 400
    refused(dial, eve, path + "/relay", 404)
    line = dial(anna, path + "/relay")
    with ThreadPoolExecutor() as pool:
        calling = pool.submit(dial, eve, path + "/call")
        call = json.loads(line.recv())["call"]
        other = announced(eve)
        refused(dial, eve, f"{path}/relay/{call}", 404)
        refused(dial, eve, f"{other}/relay/{call}", 404)
        refused(dial, anna, f"{path}/relay/{call[:-1]}x", 404)
        far = dial(anna, f"{path}/relay/{call}")
        near = calling.result(15)
    near.send_binary(b"hola")
    assert far.recv() == b"hola"
    refused(dial, anna, f"{path}/relay/{call}", 404)
    newer = dial(anna, path + "/relay")
    assert closed(line) == 1008, "a newer line ends the one before"
    assert newer.connected
    # What the old password opened does not outlive it.
    server.ctl.user_password(eve.login, "another password")
    assert closed(near) == 1001 and closed(far) == 1001
    anna.delete(path).ok(204)
    refused(dial, anna, path + "/relay", 404)


def test_calls_are_bounded_and_make_room_when_they_end(server, member, dial):
    anna, ben, cleo = member("anna"), member("ben"), member("cleo")
    path = announced(anna)
    line = dial(anna, path + "/relay")
    calls = [connected(dial, line, ben, anna, path) for _ in range(CALLS_PER_ACCOUNT)]
    refused(dial, ben, path + "/call", 429, "as many peers")
    others = [connected(dial, line, cleo, anna, path) for _ in range(CALLS - CALLS_PER_ACCOUNT)]
    refused(dial, cleo, path + "/call", 503, "as many")
    assert metric(server, "chaski_file_relay_calls") == CALLS
    calls[0][0].close()
    wait_until(lambda: metric(server, "chaski_file_relay_calls") == CALLS - 1, "room")
    connected(dial, line, ben, anna, path)[0].close()
    for near, _ in calls[1:] + others:
        near.close()
    wait_until(lambda: metric(server, "chaski_file_relay_calls") == 0, "no call")
    refused(dial, ben, path + "/call", 504, "did not take")
    assert metric(server, "chaski_file_relay_calls") == 0


def test_a_server_that_does_not_relay_says_so(dial, member):
    server = Chaski(settings={"files.relay_enabled": "false"})
    server.start()
    try:
        guest = Rest(server)
        path = "/v1/peers/" + secrets.token_hex(16)
        wish = {"name": "far", "addresses": [], "key": "ab" * 32, "relay": True}
        assert guest.put(path, wish).ok(201)["relay"] is False
        assert [each["relay"] for each in guest.get("/v1/peers").ok()["items"]] == [False]
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            websocket.create_connection(server.http_url.replace("http", "ws", 1) + path + "/relay", timeout=10,
                                        header=[f"Authorization: {guest.authorization}"])
        assert caught.value.status_code == 503 and b"relay_enabled" in caught.value.resp_body
    finally:
        server.stop()
