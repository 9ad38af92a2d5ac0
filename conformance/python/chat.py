"""People and programs of the chat at a bare socket: what its tests say and hear.

Nobody waits for a length of time to see that nothing comes: a `#time` with a number of its own is answered behind everything that
was there before it.
"""

import itertools
import json as json_of
import re
import secrets
import select
import socket
import ssl
import time
from datetime import UTC, datetime

import websocket

from harness.waiting import eventually
from rest import PASSWORD, Rest

# What a person types of themselves, by the word of the question.
ANSWERS = {"First names": "Ana María", "Last names": "López Díaz", "Login": None, "Password": PASSWORD, "Age": "22", "Gender": "ella"}

# What no line of a test is by chance.
_fences = itertools.count(770_000_000_001)


def login_of(label):
    """A login that no account has yet."""
    return f"{label}-{time.monotonic_ns() % 10_000_000:07}"


def answers_up_to(person, last):
    """Answers each question of a registration before that one, which is asked then."""
    for question, answer in ANSWERS.items():
        person.hears(question)
        if question == last:
            return
        person.say(answer or person.login)


def registering(chat, login, last=None):
    """Somebody who registers at a bare socket, up to that question."""
    person = chat.wire()
    person.login = login
    person.say("new")
    answers_up_to(person, last)
    return person


class Over(Exception):
    """The server has closed the connection."""


class Wire:
    """A socket of the line protocol, its lines whole."""

    def __init__(self, server, tls=False, receive_buffer=None, source=None, host=None):
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self._socket.bind((source, 0))
        self._socket.settimeout(10)
        self._socket.connect((host or server.host, server.line_tls_port if tls else server.line_port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._pending = bytearray()
        # Everything that came, as it came.
        self.all = bytearray()

    def fileno(self):
        return self._socket.fileno()

    def send(self, data):
        """Sends bytes as they are."""
        self._socket.sendall(data)

    def say(self, text):
        """Sends a line."""
        self.send(text.encode() + b"\n")

    def line(self, within=10.0):
        """The next line, without its end; `Over` if there is none any more."""
        deadline = time.monotonic() + within
        while b"\n" not in self._pending:
            self._fill(deadline)
        line, _, rest = bytes(self._pending).partition(b"\n")
        self._pending = bytearray(rest)
        return line.decode()

    def gets(self, data, within=10.0):
        """Everything that came, once it holds those bytes."""
        deadline = time.monotonic() + within
        while data not in self.all:
            self._fill(deadline)
        return bytes(self.all)

    def more(self):
        """The lines that have come already."""
        lines = []
        while b"\n" in self._pending or select.select([self._socket], [], [], 0)[0]:
            try:
                lines.append(self.line())
            except Over:
                break
        return lines

    def rest(self, within=10.0):
        """The lines until the server closes; fails if it does not."""
        deadline, lines = time.monotonic() + within, []
        while True:
            try:
                lines.append(self.line(max(0.001, deadline - time.monotonic())))
            except Over:
                return lines

    def _fill(self, deadline):
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self._socket.recv(262144)
        except TimeoutError:
            raise AssertionError(f"nothing came; before that {bytes(self.all[-600:])!r}") from None
        except (ConnectionError, ssl.SSLError) as error:
            raise Over(str(error)) from error
        if not data:
            raise Over(f"after {bytes(self.all[-600:])!r}")
        self.all += data
        self._pending += data

    def close(self):
        """Loses the connection: no goodbye."""
        self._socket.close()

    def reset(self):
        """Loses the connection by a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()


class Person(Wire):
    """Somebody who types."""

    login = None

    def until(self, *words, within=10.0):
        """The lines up to the first one that holds all the words."""
        deadline, lines = time.monotonic() + within, []
        while not lines or not all(word in lines[-1] for word in words):
            try:
                lines.append(self.line(max(0.001, deadline - time.monotonic())))
            except (AssertionError, Over) as error:
                raise AssertionError(f"no line with {words}, but {lines} and then {error!r}") from error
        return lines

    def ask(self, text, *words, within=10.0):
        """Says something that is answered by a line with those words; that line."""
        self.say(text)
        return self.until(*words, within=within)[-1]

    def told_time(self):
        """The server's time, which is the first that it says."""
        told = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", self.line())
        return datetime.strptime(told[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)

    def fence(self):
        """All lines up to now: of what was said before this, everything that it leads to at once."""
        number = next(_fences)
        self.say(f"#time {number}")
        return self.until(str(number))[:-1]

    def listing(self, command):
        """The lines that answer a command which tells of no event."""
        self.fence()
        self.say(command)
        return self.fence()

    def speak(self, text, own=None):
        """Says something in the room, and waits until everybody there was told."""
        return self.ask(text, own or f"{self.login}: {text}")

    def goes(self, room):
        """Enters a room."""
        return self.ask(f"#gR {room}", "You are in", room)

    def makes(self, room):
        """Creates a room and is in it."""
        return self.ask(f"#cR {room}", "You are in", room)

    def hears(self, *words, within=10.0):
        return self.until(*words, within=within)[-1]

    def misses(self, login):
        """Waits until somebody is not in the same room any more: notices of coming and going are gathered for a moment."""
        eventually(lambda: not [line for line in self.listing("#who") if f" {login} " in line], what=f"{login} is gone")

    def never_hears(self, *words):
        """Of what has happened up to now nothing holds any of the words."""
        lines = self.fence()
        assert not [line for line in lines if any(word in line for word in words)], lines
        return lines


class Talk:
    """One who speaks the chat's JSON, over any transport that has `_put` and `_take`."""

    def _begin(self):
        self._numbers = itertools.count(1)
        # Events that came while something else was waited for.
        self.heard = []

    def post(self, type_, **fields):
        """Says something and does not wait for the answer; returns its `ref`."""
        ref = next(self._numbers)
        self._put({"type": type_, "ref": ref, **fields})
        return ref

    def answer(self, ref, within=10.0):
        """The answer of that `ref`."""
        deadline = time.monotonic() + within
        for word in self.heard:
            if word.get("ref") == ref:
                self.heard.remove(word)
                return word
        while True:
            word = self._take(deadline)
            if word.get("ref") == ref:
                return word
            self.heard.append(word)

    def call(self, type_, **fields):
        return self.answer(self.post(type_, **fields))

    def does(self, type_, **fields):
        """Says something that is not refused."""
        word = self.call(type_, **fields)
        assert word["type"] != "error", word
        return word

    def refused(self, type_, code, **fields):
        """Says something that is refused with that code."""
        word = self.call(type_, **fields)
        assert (word["type"], word.get("code")) == ("error", code), word
        assert word["text"], word
        return word

    def hears(self, type_, within=10.0, **fields):
        """The next event of that type with those fields; what came before it is put aside."""
        deadline = time.monotonic() + within

        def is_it(word):
            return word["type"] == type_ and all(word.get(key) == value for key, value in fields.items())

        for word in self.heard:
            if is_it(word):
                self.heard.remove(word)
                return word
        while True:
            try:
                word = self._take(deadline)
            except (AssertionError, Over) as error:
                raise AssertionError(f"no {type_} {fields}, but {self.heard[-5:]} and then {error!r}") from error
            if is_it(word):
                return word
            self.heard.append(word)

    def fence(self):
        """The events up to now; they are not put aside any more."""
        self.does("time", t1_us=next(_fences))
        events, self.heard = self.heard, []
        return events


class Program(Person, Talk):
    """A program at the line protocol, in machine mode from `machine` on."""

    def machine(self):
        """Chooses JSON; returns the `hello`."""
        self.say("#mode json")
        self._begin()
        line = self.line()
        while not line.startswith("{"):
            line = self.line()
        hello = json_of.loads(line)
        assert hello["type"] == "hello" and hello["login"] == self.login, hello
        return hello

    # Not those of a person.
    fence, hears = Talk.fence, Talk.hears

    def _put(self, word):
        self.say(json_of.dumps(word, ensure_ascii=False))

    def _take(self, deadline):
        return json_of.loads(self.line(max(0.001, deadline - time.monotonic())))


class Socket(Talk):
    """A client at the WebSocket; its `hello` was taken."""

    def __init__(self, rest, enter=True, within=10):
        url = rest.broker.http_url.replace("http", "ws", 1) + "/v1/chat" + ("" if enter else "?enter=false")
        self.login = rest.login
        self.socket = websocket.create_connection(
            url, timeout=within, header=[f"Authorization: {rest.authorization}"], enable_multithread=False)
        self._begin()
        self.hello = self._take(time.monotonic() + within)
        assert self.hello["type"] == "hello", self.hello

    def _put(self, word):
        self.socket.send(json_of.dumps(word))

    def _take(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            return json_of.loads(self.socket.recv())
        except websocket.WebSocketTimeoutException:
            raise AssertionError("nothing came") from None
        except (websocket.WebSocketException, OSError) as error:
            raise Over(str(error)) from error

    def close(self):
        self.socket.close(timeout=1)


class Chat:
    """The chat of a server, with the accounts and the connections of one test."""

    def __init__(self, server):
        self.server, self.admin = server, Rest(server)
        self._opened, self._tokens = [], {}

    def close(self):
        for each in self._opened:
            each.close()

    def keep(self, opened):
        """Closes it at the end of the test."""
        self._opened.append(opened)
        return opened

    def account(self, label="ana", **wish):
        """Makes an account; returns its login."""
        login = f"{label}-{secrets.token_hex(3)}"
        self.admin.post("/v1/accounts", {"login": login, "password": PASSWORD, **wish}).ok(201)
        return login

    def rest(self, login):
        return Rest(self.server, login, "guest" if login == "guest" else PASSWORD)

    def token(self, login):
        """The token of a session of the account's, the same one each time: it needs no password's hash."""
        if login not in self._tokens:
            self._tokens[login] = self.rest(login).post("/v1/sessions", {}).ok(201)["token"]
        return self._tokens[login]

    def bearer(self, login):
        """REST by that token."""
        return Rest(self.server, login, authorization=f"Bearer {self.token(login)}")

    def wire(self, **options):
        return self.keep(Person(self.server, **options))

    def enter(self, login, password=None, kind=Person, **options):
        """Logs in, by the token unless a password is given; returns when the default room is entered."""
        person = self.keep(kind(self.server, **options))
        person.login = login
        if password is None:
            person.say(f"token {self.token(login)}")
        else:
            person.say(login)
            person.say(password)
        person.until("lobby")
        return person

    def program(self, login, **options):
        """Logs in and chooses JSON."""
        program = self.enter(login, kind=Program, **options)
        program.hello = program.machine()
        return program

    def socket(self, login, enter=True):
        """A WebSocket."""
        return self.keep(Socket(self.bearer(login), enter))

    def people(self, *labels):
        """Accounts of those labels, each in the default room; they have heard each other come."""
        return [self.enter(self.account(label)) for label in labels]
