"""Clients of the chat's WebSocket and of its events, and a server of the chat's own for their tests."""

import contextlib
import json
import secrets
from urllib.parse import quote, urlencode

import pytest
import websocket

from harness.brokers import Chaski
from raw_http import RawHttp

# Nobody waits in these tests for the right to send the next message, and anyone may make rooms that stay.
SETTINGS = {"chat.messages_per_second": 0, "chat.keep_rooms": "anyone"}


@pytest.fixture(scope="module")
def broker():
    """A server for these tests alone; takes the place of the one that others share."""
    started = Chaski(settings=SETTINGS)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def open_socket(rest):
    """Opens sockets of the chat that are closed at the end of the test."""
    with contextlib.ExitStack() as opened:
        def opener(account=None, **options):
            socket = Socket(account or rest, **options)
            opened.callback(socket.close)
            return socket

        yield opener


@pytest.fixture
def room(rest):
    """Makes rooms that stay, of the administrator or of an account; returns the path."""
    def maker(account=None):
        name = f"room-{secrets.token_hex(4)}"
        (account or rest).post("/v1/rooms", {"room": name, "keep": True}).ok(201)
        return room_path(name)

    return maker


def room_path(name):
    return "/v1/rooms/" + quote(name, "")


def talk_path(account):
    return "/v1/conversations/" + quote(account.login, "")


def name_of(path):
    return path.rsplit("/", 1)[1]


def say(account, path, text, status=201, **more):
    """Says something; returns the message."""
    return account.post(path + "/messages", {"text": text, **more}).ok(status)


def texts(messages):
    return [message["text"] for message in messages]


class Socket:
    """One WebSocket of the chat. What comes while something else is waited for is kept, in order."""

    def __init__(self, account, within=10, headers=(), **query):
        url = account.broker.http_url.replace("http", "ws", 1) + "/v1/chat"
        if query:
            url += "?" + urlencode({key: str(value).lower() for key, value in query.items()})
        credentials = [f"Authorization: {account.authorization}"] if account.authorization else []
        self.link = websocket.create_connection(url, timeout=within, header=[*credentials, *headers], enable_multithread=False)
        self.login, self.kept, self.number = account.login, [], 0
        self.hello = self.take("hello")

    def send(self, type_, **fields):
        self.link.send(json.dumps({"type": type_, **fields}))

    def hear(self):
        """The next object, whatever it is."""
        return self.kept.pop(0) if self.kept else json.loads(self.link.recv())

    def take(self, type_, **fields):
        """The next object of that type that has these fields; all others are kept for later."""
        for index, one in enumerate(self.kept):
            if fits(one, type_, fields):
                return self.kept.pop(index)
        while True:
            one = json.loads(self.link.recv())
            if fits(one, type_, fields):
                return one
            self.kept.append(one)

    def ask(self, type_, **fields):
        """Says something and returns its answer."""
        self.number += 1
        self.send(type_, ref=self.number, **fields)
        while True:
            one = json.loads(self.link.recv())
            if one.get("ref") == self.number:
                return one
            self.kept.append(one)

    def do(self, type_, **fields):
        """Says something that is not refused; returns its answer."""
        answer = self.ask(type_, **fields)
        assert answer["type"] != "error", answer
        return answer

    def messages(self, number, room=None):
        """The next messages, of one room if it is named."""
        where = {} if room is None else {"room": room}
        return [self.take("message", **where) for _ in range(number)]

    def hears_no(self, type_, **fields):
        """Nothing of the kind has come when a question is answered that was asked last."""
        self.do("time", t1_us=1)
        found = [one for one in self.kept if fits(one, type_, fields)]
        assert not found, found

    def end(self):
        """(the last object, the code of the close frame)."""
        last = None
        while (frame := self.link.recv_frame()).opcode != websocket.ABNF.OPCODE_CLOSE:
            if frame.opcode == websocket.ABNF.OPCODE_TEXT:
                last = json.loads(frame.data)
        return last, int.from_bytes(frame.data[:2], "big")

    def cut(self):
        """The connection is lost, without a word."""
        self.link.sock.close()

    def close(self):
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.link.close(timeout=1)


def fits(one, type_, fields):
    return one["type"] == type_ and all(one.get(key) == value for key, value in fields.items())


class Events:
    """Server-sent events of the chat; each is (event, id, data)."""

    def __init__(self, account, path, within=20, last=None, **query):
        self.link = RawHttp(account.broker, within)
        target = f"{path}/events" + ("?" + urlencode(query) if query else "")
        seen = [f"Last-Event-ID: {last}"] if last is not None else []
        self.link.request(f"GET {target}", [f"Authorization: {account.authorization}", "Connection: close", *seen])
        self.lines = self.link.socket.makefile("rb")
        self.status = int(self.lines.readline().split()[1])
        while self.lines.readline().strip():
            pass

    def next(self):
        """The next event; None at the end. Chunks begin and end with lines of their own, which no field looks like."""
        fields = {}
        for line in self.lines:
            line = line.decode().rstrip("\r\n")
            if line == "" and "data" in fields:
                return fields.get("event"), fields.get("id"), json.loads(fields["data"])
            key, colon, value = line.partition(": ")
            if colon and key in ("event", "id", "data"):
                fields[key] = value
        return None

    def take(self, number):
        """The data of the next events, all of them messages."""
        events = [self.next() for _ in range(number)]
        assert {event for event, _, _ in events} <= {"message"}, events
        assert all(int(id_) == data["seq"] for _, id_, data in events), events
        return [data for _, _, data in events]

    def close(self):
        self.lines.close()
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
