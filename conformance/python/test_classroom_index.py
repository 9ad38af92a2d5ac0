"""The list of who has which file, as older peers call it: JSON bodies, on GET too."""

import json

import pytest

from classroom import Json, open_classroom
from harness.waiting import eventually
from rest import PASSWORD, Rest
from test_files_index import Peer, entry


@pytest.fixture(scope="module")
def server():
    started = Index()
    started.start()
    yield started
    started.stop()


def Index():
    """A server whose peers may be silent for two seconds."""
    started = open_classroom()
    started._settings += ["--set", "files.heartbeat_s=1", "--set", "files.silence_s=2"]
    return started


@pytest.fixture
def api(server):
    return Json(server)


def enter(api, name, url, files=()):
    assert api.call("POST", "/login", username=name, password="pw", url=url)[0] == 200
    if files:
        assert api.call("POST", "/index", files=list(files), url=url)[0] == 200


def test_peers_find_each_others_files_and_fall_silent(api):
    enter(api, "ana", "10.0.0.1:5001", ["a.txt", "both.txt"])
    enter(api, "bob", "10.0.0.2:5001", ["both.txt"])

    def ping(url):
        return api.call("GET", "/ping", url=url, time_stamp="2024-05-05 10:00:00")[0]

    assert ping("10.0.0.1:5001") == 200
    assert api.call("GET", "/query", file_name="both.txt") == (200, ["10.0.0.1:5001", "10.0.0.2:5001"])
    assert api.call("GET", "/query", file_name="BOTH.txt")[0] == 404
    assert api.call("GET", "/upload", file_name="a.txt", url="10.0.0.1:5001") == (200, "10.0.0.2:5001")

    def bob_is_gone():
        assert ping("10.0.0.1:5001") == 200
        return api.call("GET", "/query", file_name="both.txt") == (200, ["10.0.0.1:5001"])

    eventually(bob_is_gone, within=20)
    assert api.call("GET", "/upload", file_name="a.txt", url="10.0.0.1:5001")[0] == 404
    assert ping("10.0.0.2:5001") == 200, "who was cut off comes back with what they had"
    assert "10.0.0.2:5001" in api.call("GET", "/query", file_name="both.txt")[1]
    assert api.call("POST", "/logout", username="ana")[0] == 200
    assert api.call("GET", "/query", file_name="a.txt")[0] == 404
    assert api.call("POST", "/logout", username="ana")[0] == 401


def test_an_unknown_name_registers_itself_and_the_password_counts(api, server):
    enter(api, "new", "u1")
    assert api.call("POST", "/login", username="new", password="other", url="u1")[0] == 401
    assert Rest(server, "new", "pw").get("/v1/me").ok()["login"] == "new", "it is an account like any other"
    Rest(server).post("/v1/accounts", {"login": "old", "password": PASSWORD}).ok(201)
    assert api.call("POST", "/login", username="old", password=PASSWORD, url="u2")[0] == 200
    assert api.call("POST", "/login", username="old", password="guess", url="u2")[0] == 401
    assert api.call("POST", "/create-user", username="plain")[0] == 200
    assert api.call("POST", "/login", username="plain", password="pw", url="u3")[0] == 401, "it has no password"


def test_what_chaskis_peers_share_is_found(api, server):
    peer = Peer(Rest(server))
    peer.publish(entry("folder/shared [1].txt"))
    path = peer.path + "/heartbeat"

    def is_found():
        peer.rest.post(path, {})
        return api.call("GET", "/query", file_name="shared [1].txt") == (200, ["192.0.2.7:7070"])

    eventually(is_found)
    assert api.call("GET", "/query", file_name="Shared [1].txt")[0] == 404


CALLS = [("POST", "/login", {"username": "zoe", "password": "pw", "url": "z"}), ("POST", "/logout", {"username": "zoe"}),
         ("GET", "/ping", {"url": "z", "time_stamp": "1"}), ("POST", "/index", {"files": ["x"], "url": "z"}),
         ("GET", "/query", {"file_name": "x"}), ("GET", "/upload", {"file_name": "x", "url": "z"})]


@pytest.mark.parametrize(("method", "path", "fields"), CALLS)
def test_bad_calls_are_told_what_is_wrong(api, method, path, fields):
    for field in fields:
        if field == "time_stamp":
            continue
        rest = {name: value for name, value in fields.items() if name != field}
        assert api.call(method, path, **rest) == (400, {"message": f"Missing {field} parameter", "status": 400})
        assert api.call(method, path, **rest, **{field: {"x": 1}})[0] == 400
    for data in (b"", b"no json", b"[]"):
        status, body = api.raw(method, path, data)
        assert (status, json.loads(body)) == (400, {"message": "Missing JSON in request", "status": 400})
    try:
        assert api.raw(method, path, b" " * (10 << 20))[0] == 413
    except (BrokenPipeError, ConnectionResetError):
        pass


def test_strangers_and_too_much_are_refused(api):
    assert api.call("GET", "/ping", url="nobody", time_stamp="1")[0] == 401
    assert api.call("POST", "/index", url="nobody", files=["x"])[0] == 401
    enter(api, "big", "big")
    assert api.call("POST", "/index", url="big", files=[str(number) for number in range(10_001)])[0] == 429
    assert api.call("POST", "/index", url="big", files=["x" * 2_000])[0] == 400
    assert api.call("POST", "/index", url="big", files=[1, 2])[0] == 400
    assert api.call("POST", "/login", username="a/b", password="pw", url="u")[0] == 400
    assert api.call("POST", "/login", username="x", password="p" * 5_000, url="u")[0] == 400


def test_a_name_is_read_once_and_as_the_other_calls_read_it(api, server):
    def log_in(name, password="pw"):
        return api.call("POST", "/login", username=name, password=password, url=f"{name}:5001")

    assert log_in(" paz ")[0] == 200
    assert log_in("paz")[0] == log_in(" paz ")[0] == 200
    assert api.call("POST", "/logout", username=" paz ")[0] == 200
    assert Rest(server, "paz", "pw").get("/v1/me").ok()["login"] == "paz"
    for name in ("José", "María del Mar"):
        assert log_in(name)[0] == log_in(name)[0] == 200
        assert log_in(name, "other")[0] == 401
        assert Rest(server, name, "pw").get("/v1/me").ok()["login"] == name
    assert log_in("Jose\u0301")[0] == 200, "it is the same name in other bytes"
    assert log_in("jose\u0301")[0] == 401, "it looks like another's"
    assert api.call("POST", "/create-user", username="José")[0] == 401, "it has a password"
