"""The interfaces for older clients on a server that has just been made: what it says, where it listens, whose names are kept."""

import json
import signal
import subprocess

import pytest

from classroom import Json, Plain, Worker, open_classroom
from harness.brokers import Chaski
from rest import PASSWORD, Rest

DOORS = ("chat", "rest", "grpc")
LISTENERS = ("amqp", "amqps", "http", "https", "management", "line", "line-tls")


@pytest.fixture
def fresh():
    """Servers with no account but the first ones, stopped at the end of the test."""
    opened = []

    def opener(**settings):
        opened.append(open_classroom(**settings))
        return opened[-1]

    yield opener
    for each in opened:
        each.stop()


def test_the_name_of_the_worker_services_owner_is_nobodys(fresh):
    server = fresh()
    server.start()
    api, plain = Json(server), Plain(server, "classroom")
    for name in ("classroom", "Classroom", " classroom "):
        assert api.call("POST", "/create-user", username=name)[0] == 401
        assert api.call("POST", "/login", username=name, password="pw", url="u")[0] == 401
        assert plain.send("POST", "/user", name)[0] == 401
    plain.close()
    guest = Rest(server)
    guest.post("/v1/accounts", {"login": "classroom", "password": PASSWORD}).problem(409)
    worker = Worker(server)
    mine = {"username": "ana", "queue_name": "q", "api_key": "k"}
    assert api.call("POST", "/create-user", username="ana")[0] == 200
    assert api.call("POST", "/create-queue", **mine)[0] == 200
    for service in ("1", "2"):
        assert api.call("POST", "/add-message", **mine, service=service)[0] == 200
        assert worker.next(service).api_key == "k"
    worker.close()


def test_the_queues_of_the_worker_services_are_there_before_anybody_makes_them(fresh):
    server = fresh()
    server.start()
    guest = Rest(server)
    guest.post("/v1/accounts", {"login": "eva", "password": PASSWORD}).ok(201)
    for queue in ("service-1", "service-2"):
        assert guest.get(f"/v1/queues/{queue}").ok()["owner"] == "classroom"
        eva = Rest(server, "eva", PASSWORD)
        assert eva.put(f"/v1/queues/{queue}", {}).status == 403
        assert eva.post(f"/v1/queues/{queue}/pull", {"max": 1}).status in (403, 404)


def opened_once(fresh):
    """A server with the interfaces that ran without them first; what its administrator says."""
    server = fresh()
    before, server._settings = server._settings, []
    Chaski.start(server)
    return server, before, Rest(server)


def opens_after(server, settings, undo, *words):
    """The start fails and says what to do; that helps."""
    server.shut_down()
    usual, server._settings = server._settings, settings
    with pytest.raises(RuntimeError) as failed:
        server.start()
    for word in words:
        assert word in str(failed.value), failed.value
    server._settings = usual
    Chaski.start(server)
    undo()
    server.shut_down()
    server._settings = settings
    server.start()
    worker = Worker(server)
    assert [worker.next(service).message for service in ("1", "2")] == ["No messages"] * 2
    worker.close()


def test_a_start_fails_while_somebody_has_the_owners_name(fresh):
    server, settings, guest = opened_once(fresh)
    guest.post("/v1/accounts", {"login": "classroom", "password": PASSWORD}).ok(201)
    opens_after(server, settings, lambda: server.ctl.user_delete("classroom"), "account 'classroom'", "chaski user delete classroom")


def test_a_start_fails_while_somebody_owns_a_queue_of_the_worker_services(fresh):
    server, settings, guest = opened_once(fresh)
    guest.post("/v1/accounts", {"login": "eva", "password": PASSWORD}).ok(201)
    Rest(server, "eva", PASSWORD).make("service-2")

    def undo():
        Rest(server, "eva", PASSWORD).delete("/v1/queues/service-2").ok()

    opens_after(server, settings, undo, "queue 'service-2'", "chaski queue delete service-2")


def test_accounts_are_counted_whichever_call_makes_them(fresh):
    server = fresh(max_accounts=3)
    server.start()
    api, plain = Json(server), Plain(server, "two")

    def log_in(name):
        return api.call("POST", "/login", username=name, password="pw", url=f"{name}:5001")[0]

    assert log_in("one") == 200
    assert plain.register()[0] == 201
    assert api.call("POST", "/create-user", username="three")[0] == 200
    assert log_in("four") == 429
    assert api.call("POST", "/create-user", username="four")[0] == 429
    assert Plain(server, "four").register()[0] == 429
    assert log_in("one") == 200, "who has an account logs in"
    assert Rest(server).get("/v1/accounts/four").status == 404
    plain.close()


def test_the_start_says_that_nobody_proves_who_they_are(fresh, tmp_path):
    words = [word for each in LISTENERS for word in (f"--{each}", "127.0.0.1:0" if each == "amqp" else "off")]
    words += [word for each in DOORS for word in (f"--classroom-{each}", "127.0.0.1:0")]
    for flags, is_open in ((["--classroom"], True), ([], False)):
        command = [fresh().binary, "serve", "--data", str(tmp_path / "data"), *words, *flags]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            lines = []
            for line in server.stdout:
                lines.append(line)
                if line.startswith("Ctrl-C"):
                    break
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)
        told = "".join(lines)
        assert ("need not prove who they are" in told and "for everybody who reaches these addresses" in told) == is_open, told
        assert [f"classroom-{each}" in told for each in DOORS] == [is_open] * 3, told
        assert server.returncode == 0


@pytest.mark.parametrize("bind", [[], ["--set", "listeners.bind=0.0.0.0"]])
def test_the_addresses_are_loopback_whatever_others_are(fresh, tmp_path, bind):
    command = [fresh().binary, "config", "--json", "--data", str(tmp_path), "--effective", "--set", "classroom.enabled=true", *bind]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)["classroom"]
    assert [shown[door] for door in DOORS] == ["127.0.0.1:1545", "127.0.0.1:4000", "127.0.0.1:50051"]


def test_doors_stay_on_loopback_when_the_others_are_on_every_network(fresh):
    server = fresh()
    server._settings += ["--bind", "0.0.0.0"]
    server._http = "0"
    server.start()
    assert server.ready["http"].startswith("0.0.0.0:")
    assert all(server.ready[f"classroom-{door}"].startswith("127.0.0.1:") for door in DOORS)
