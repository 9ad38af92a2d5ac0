"""The chat by plain HTTP, played byte by byte as its clients do."""

import contextlib
import http.client

import pytest

from classroom import Plain, open_classroom, registering_plain
from chat import Chat
from harness.waiting import eventually


@pytest.fixture(scope="module")
def server():
    started = open_classroom(silence_s="4")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def user(server):
    """Clients that have registered, closed at the end of the test."""
    with registering_plain(server) as maker:
        yield maker


@pytest.fixture
def chat(server):
    opened = Chat(server)
    yield opened
    opened.close()


def hears(client, line, within=10):
    """Polls as Enter does, until a line has come; returns everything that came."""
    seen = []

    def has_come():
        seen.append(client.get())
        return line in b"".join(seen)

    eventually(has_come, within=within)
    return b"".join(seen)


def test_the_bytes_are_those_that_clients_read(server, user):
    ana, bob = user("ana"), user("bob")
    ana.socket.sendall(b"POST / HTTP/1.1\r\nHost: chat\r\nContent-Length: 8\r\n\r\nana>hola")
    assert ana.socket.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    assert hears(bob, b"ana>hola") == b"\nana>hola"
    assert bob.get() == b""
    assert bob.say(" qué tal? > bien")[0] == 200 and bob.say("dos")[0] == 200
    assert hears(ana, b"bob>dos") == "\nbob> qué tal? > bien\nbob>dos".encode()
    assert bob.get() == b"", "nobody hears themselves"


def test_a_name_is_one_persons(server, user, chat):
    user("eva")
    second = Plain(server, "eva")
    assert second.register()[0] == 401
    login = chat.account("real")
    assert Plain(server, login).register()[0] == 401, "an account with a password is nobody else's"
    assert Plain(server, login.upper()).register()[0] == 401, "nor is what looks like it"
    for path, body in (("/", f"{login}>I am not"), ("/getMsg", login)):
        assert second.send("POST", path, body)[0] == 401


def test_who_falls_silent_frees_the_name_and_who_comes_back_is_heard(server, user):
    quiet = user("quiet")
    other = Plain(server, "quiet")
    eventually(lambda: other.register()[0] == 201, within=20)
    talker = user("talker")
    other.close()
    eventually(lambda: quiet.send("GET", "/user")[1] == b"talker" or not talker.get(), within=20)
    assert quiet.say("still here")[0] == 200
    assert hears(talker, b"quiet>still here") == b"\nquiet>still here"


def test_the_page_the_terminal_and_the_plain_client_are_in_one_room(server, user, chat):
    plain = user("llano")
    terminal = chat.people("term")[0]
    page = chat.socket(chat.account("page"))
    assert plain.say("hello from http")[0] == 200
    terminal.hears("llano", "hello from http")
    page.hears("message", text="hello from http")
    terminal.say("hello from nc")
    assert hears(plain, b"hello from nc").endswith(f"\n{terminal.login}>hello from nc".encode())
    terminal.say("#\\private llano only for you")
    assert hears(plain, b"only for you") == f"\n{terminal.login} (private)>only for you".encode()


def test_talking_fast_is_slowed_down_and_nothing_is_lost(server, user):
    fast, slow = user("fast"), user("slow")
    for number in range(30):
        assert fast.say(f"n{number}")[0] == 200
    heard = hears(slow, b"fast>n29")
    assert heard == b"".join(b"\nfast>n%d" % number for number in range(30))


@pytest.mark.parametrize(("method", "path", "body", "status"), [
    ("POST", "/user", b"", 400), ("POST", "/user", b"a>b", 400), ("POST", "/user", b"\xff\xfe", 400), ("POST", "/user", b"x" * 65, 400),
    ("POST", "/user", "a\nb".encode(), 400), ("POST", "/", b"no separator", 400), ("POST", "/", b"nobody>hi", 401),
    ("POST", "/getMsg", b"nobody", 401), ("POST", "/", b"", 400), ("PUT", "/user", b"ana", 405), ("GET", "/", b"", 405),
    ("POST", "/nothing", b"", 404), ("DELETE", "/user", b"nobody", 404), ("POST", "/user", b"x" * (10 << 20), 413),
    ("POST", "/", b"nobody>" + b"x" * (63 << 10), 401),
])
def test_bad_calls_are_told_what_is_wrong(server, method, path, body, status):
    client = Plain(server)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        told, detail = client.send(method, path, body)
        assert (told, bool(detail)) == (status, True)
    client.close()
    fresh = Plain(server)
    assert fresh.send("GET", "/user")[0] == 200, "the server lives"
    fresh.close()


def test_a_line_that_is_too_long_is_refused(server, user):
    assert user("long").say("x" * 9_000)[0] == 400


def test_head_is_refused_and_takes_nothing(server, user):
    ana, bob = user("hana"), user("hbob")
    assert ana.say("still to come")[0] == 200
    for path, allowed in (("/getMsg", b"GET, POST"), ("/user", b"GET, POST, DELETE")):
        for method in (b"HEAD", b"PATCH"):
            bob.socket.sendall(method + b" " + path.encode() + b" HTTP/1.1\r\nHost: chat\r\nContent-Length: 4\r\n\r\nhbob")
            answer = http.client.HTTPResponse(bob.socket, method=method.decode())
            answer.begin()
            assert (answer.status, answer.headers.get_all("Allow")) == (405, [allowed.decode()])
            answer.read()
    assert hears(bob, b"still to come") == b"\nhana>still to come"
