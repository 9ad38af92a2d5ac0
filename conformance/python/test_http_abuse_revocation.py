"""ABUSE.md B.24 over HTTP: whoever loses its right is sent nothing any more, within a second, however it listens."""

import contextlib
import json
import threading

import pytest
import websocket

from harness.waiting import Stopwatch, eventually
from raw_http import RawHttp
from rest import PASSWORD, REST_ONLY, Rest, bodies, queue_path

pytestmark = REST_ONLY

PROMPTLY = 1.0


class Listener(threading.Thread):
    """Listens by one of the doors; knows which messages came, and when it was over."""

    def __init__(self, reader, queue):
        super().__init__(daemon=True)
        self.bodies, self.reader, self.queue = [], reader, queue
        self.opened, self.over = threading.Event(), threading.Event()
        self.start()

    def run(self):
        with contextlib.suppress(OSError, websocket.WebSocketException, AssertionError):
            self.listen()
        self.over.set()

    @property
    def authorization(self):
        return f"Authorization: {self.reader.authorization}"


class Events(Listener):
    def listen(self):
        with RawHttp(self.reader.broker) as link:
            link.request(f"GET {queue_path(self.queue)}/events", [self.authorization, "Connection: close"])
            lines = link.socket.makefile("rb")
            assert b" 200 " in lines.readline()
            self.opened.set()
            for line in lines:
                if line.startswith(b"data: {"):
                    self.bodies.append(json.loads(line[6:])["body"])


class Socket(Listener):
    def listen(self):
        url = self.reader.broker.http_url.replace("http", "ws", 1) + queue_path(self.queue) + "/ws"
        link = websocket.create_connection(url, timeout=20, header=[self.authorization])
        self.opened.set()
        while (frame := link.recv_frame()).opcode != websocket.ABNF.OPCODE_CLOSE:
            if frame.opcode == websocket.ABNF.OPCODE_TEXT:
                self.bodies.append(json.loads(frame.data)["body"])


class Poll(Listener):
    """One long poll after the other."""

    def listen(self):
        while True:
            with RawHttp(self.reader.broker) as link:
                body = b'{"wait_ms":20000,"auto_ack":true}'
                link.request(f"POST {queue_path(self.queue)}/pull", [
                    self.authorization, "Content-Type: application/json", f"Content-Length: {len(body)}"], body)
                self.opened.set()
                answer = link.answer()
                assert answer.status == 200, answer
                if not answer.json["messages"]:
                    return
                self.bodies += [message["body"] for message in answer.json["messages"]]


class Case:
    """A queue of an owner, somebody who reads it, and how that right is taken away."""

    def __init__(self, rest, member, name):
        self.admin, self.owner, self.other = rest, member("owner"), member("reader")
        self.queue = name("watched")
        self.path = self.owner.make(self.queue)

    def token_of(self, account):
        opened = account.post("/v1/sessions", {}).ok(201)
        return Rest(self.admin.broker, authorization=f"Bearer {opened['token']}"), opened["session"]["id"]

    def session_ended(self):
        reader, session = self.token_of(self.owner)
        return reader, lambda: self.owner.delete(f"/v1/sessions/{session}").ok(204)

    def session_ended_by_an_administrator(self):
        reader, session = self.token_of(self.owner)
        return reader, lambda: self.admin.delete(f"/v1/sessions/{session}").ok(204)

    def logged_out(self):
        reader, _ = self.token_of(self.owner)
        return reader, lambda: reader.delete("/v1/sessions/present").ok(204)

    def password_changed(self):
        return self.owner, lambda: self.admin.put(f"/v1/accounts/{self.owner.login}/password", {"new": "another one"}).ok(204)

    def session_of_a_changed_password(self):
        reader, _ = self.token_of(self.owner)
        wish = {"present": PASSWORD, "new": "another one"}
        return reader, lambda: self.owner.put(f"/v1/accounts/{self.owner.login}/password", wish).ok(204)

    def account_deleted(self):
        return self.owner, lambda: self.admin.delete(f"/v1/accounts/{self.owner.login}").ok(204)

    def grant_taken(self):
        grant = f"{self.path}/grants/{self.other.login}"
        self.owner.put(grant, {"read": True}).ok(204)
        return self.other, lambda: self.owner.delete(grant).ok(204)

    def grant_narrowed(self):
        grant = f"{self.path}/grants/{self.other.login}"
        self.owner.put(grant, {"read": True, "write": True}).ok(204)
        return self.other, lambda: self.owner.put(grant, {"write": True}).ok(204)

    def key_deleted(self):
        key = self.owner.post(self.path + "/keys", {"read": True}).ok(201)
        reader = Rest(self.admin.broker, authorization=f"Bearer {key['secret']}")
        return reader, lambda: self.owner.delete(f"{self.path}/keys/{key['id']}").ok(204)


WAYS = ["session_ended", "session_ended_by_an_administrator", "logged_out", "password_changed", "session_of_a_changed_password",
        "account_deleted", "grant_taken", "grant_narrowed", "key_deleted"]


@pytest.mark.parametrize("door", [Events, Socket, Poll], ids=["events", "socket", "poll"])
@pytest.mark.parametrize("way", WAYS)
def test_b24_whoever_lost_its_right_is_sent_nothing_any_more(rest, member, name, door, way):
    case = Case(rest, member, name)
    reader, take_away = getattr(case, way)()
    listener = door(reader, case.queue)
    assert listener.opened.wait(10)
    rest.publish(case.queue, "before")
    eventually(lambda: listener.bodies == ["before"])
    watch = Stopwatch()
    take_away()
    assert listener.over.wait(PROMPTLY), "still listening"
    assert watch.seconds < PROMPTLY
    rest.publish(case.queue, "after")
    # What it had not acknowledged may be back before it.
    assert bodies(rest.pull(case.queue, max=9))[-1] == "after"
    assert listener.bodies == ["before"]


@pytest.mark.parametrize("way", WAYS)
def test_b24_whoever_lost_its_right_cannot_come_back(rest, member, name, way):
    case = Case(rest, member, name)
    reader, take_away = getattr(case, way)()
    assert reader.post(case.path + "/pull", {}).ok() == {"messages": []}
    take_away()
    answer = reader.post(case.path + "/pull", {})
    assert answer.status in (401, 403), answer
    answer.problem(answer.status)


def test_b24_other_sessions_of_the_account_go_on(rest, member, name):
    case = Case(rest, member, name)
    one, first = case.token_of(case.owner)
    two, _ = case.token_of(case.owner)
    listeners = [Events(one, case.queue), Events(two, case.queue)]
    assert all(each.opened.wait(10) for each in listeners)
    case.owner.delete(f"/v1/sessions/{first}").ok(204)
    assert listeners[0].over.wait(PROMPTLY)
    rest.publish(case.queue, "for the other")
    eventually(lambda: listeners[1].bodies == ["for the other"])
    assert not listeners[1].over.is_set()


def test_b24_what_a_session_had_leased_goes_back_when_it_ends(rest, member, name):
    case = Case(rest, member, name)
    reader, session = case.token_of(case.owner)
    rest.publish(case.queue, "leased")
    assert reader.take(case.queue)["body"] == "leased"
    case.owner.delete(f"/v1/sessions/{session}").ok(204)
    assert rest.take(case.queue, int(PROMPTLY * 1_000))["redelivered"]
