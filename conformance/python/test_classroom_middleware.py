"""Users, queues with keys and worker services of the older middleware: JSON bodies on every method, gRPC by field numbers."""

import http.client
import json

import grpc
import pytest

from classroom import Json, Plain, Worker, open_classroom
from clients import await_get, publish
from harness.waiting import eventually
from rest import PASSWORD, Rest


@pytest.fixture(scope="module")
def server():
    started = open_classroom()
    started.start()
    yield started
    started.stop()


@pytest.fixture
def broker(server):
    """What `connect` connects to."""
    return server


@pytest.fixture
def api(server):
    return Json(server)


@pytest.fixture
def worker(server):
    opened = Worker(server)
    yield opened
    opened.close()


def queue_of(api, user, queue="mine", key="1234"):
    """A user with a queue; what goes with every call about it."""
    assert api.call("POST", "/create-user", username=user)[0] == 200
    assert api.call("POST", "/create-queue", username=user, queue_name=queue, api_key=key) == (200, {"message": "Queue created", "status": 200})
    return {"username": user, "queue_name": queue, "api_key": key}


def test_a_request_goes_to_a_worker_and_its_response_comes_back(api, worker):
    mine = queue_of(api, "ana", "answers", "llave")
    for service in ("1", "2"):
        none = worker.next(service)
        assert (none.status, none.username) == (400, "") and none.message
    assert api.call("POST", "/add-message", **mine, service="1")[0] == 200
    assert api.call("POST", "/add-message", **mine, service=2)[0] == 200
    assert worker.next("1").SerializeToString() != b""
    work = worker.next("2")
    assert (work.status, work.username, work.api_key, work.service, work.queue_name) == (200, "ana", "llave", "2", "answers")
    assert worker.next("1").status == 400, "each request goes to one worker"
    assert worker.respond(work, "forty-two").status == 200
    assert worker.respond(work, "más").status == 200
    assert api.call("GET", "/get-messages-user", **mine) == (200, {"data": ["forty-two", "más"], "status": 200})
    assert api.call("GET", "/get-messages-user", **mine) == (200, {"data": [], "status": 200})
    assert worker.respond(work, "x", api_key="wrong").status == 401
    assert worker.respond(work, "x", queue_name="none").status == 404
    assert worker.respond(work, "x", username="nobody").status == 404


def test_queues_are_listed_renamed_given_other_keys_and_deleted(api):
    mine = queue_of(api, "bob", "one", "k1")
    two = {**mine, "queue_name": "two", "api_key": "k2"}
    assert api.call("POST", "/create-queue", **two)[0] == 200
    assert api.call("POST", "/create-queue", **two)[0] == 409
    queue_of(api, "bobby", "one", "k1")
    assert api.call("GET", "/get-queues", username="bob") == (200, {"data": ["one", "two"], "status": 200})
    assert api.call("PUT", "/update-queue", **mine, new_queue_name="two")[0] == 409
    assert api.call("PUT", "/update-queue", **mine, new_queue_name="uno", new_api_key="k9")[0] == 200
    assert api.call("GET", "/get-messages-user", **mine)[0] == 404
    assert api.call("GET", "/get-messages-user", **{**mine, "queue_name": "uno"})[0] == 401
    renamed = {**mine, "queue_name": "uno", "api_key": "k9"}
    assert api.call("GET", "/get-messages-user", **renamed) == (200, {"data": [], "status": 200})
    assert api.call("DELETE", "/delete-queue", **{**renamed, "api_key": "k1"})[0] == 401
    assert api.call("DELETE", "/delete-queue", **renamed)[0] == 200
    assert api.call("GET", "/get-queues", username="bob")[1]["data"] == ["two"]
    assert api.call("PUT", "/update-queue", **two, new_api_key="k3")[0] == 200
    assert api.call("GET", "/get-messages-user", **two)[0] == 401
    assert api.call("GET", "/get-messages-user", **{**two, "api_key": "k3"})[0] == 200


def test_programs_on_amqp_and_rest_are_workers_too(api, server, connection):
    mine = queue_of(api, "eva", "inbox", "k")
    channel = connection.channel()
    assert api.call("POST", "/add-message", **mine, service="1")[0] == 200
    taken = await_get(channel, "service-1")
    assert json.loads(taken.body) == {**mine, "service": "1"}
    assert taken.properties.reply_to == "eva.inbox"
    publish(channel, taken.properties.reply_to, "by amqp")
    assert api.call("POST", "/add-message", **mine, service="2")[0] == 200
    rest = Rest(server)
    pulled = rest.post("/v1/queues/service-2/pull", {"max": 1, "auto_ack": True}).ok()["messages"]
    assert len(pulled) == 1
    rest.publish("eva.inbox", "by rest")
    seen = []
    eventually(lambda: seen.extend(api.call("GET", "/get-messages-user", **mine)[1]["data"]) or len(seen) == 2)
    assert seen == ["by amqp", "by rest"]


def test_what_was_answered_200_survives_kill_9(server, api, worker):
    mine = queue_of(api, "kim", "kept", "k")
    for _ in range(3):
        assert api.call("POST", "/add-message", **mine, service="1")[0] == 200
    work = worker.next("1")
    assert worker.respond(work, "before").status == 200
    server.kill()
    server.start()
    again = Worker(server)
    try:
        assert api.call("GET", "/get-queues", username="kim")[1]["data"] == ["kept"]
        assert api.call("GET", "/get-messages-user", **{**mine, "api_key": "no"})[0] == 401
        assert [again.next("1").status for _ in range(2)] == [200, 200]
        assert api.call("GET", "/get-messages-user", **mine)[1]["data"] == ["before"]
    finally:
        again.close()


MINE = {"username": "zoe", "queue_name": "z", "api_key": "k", "service": "1"}
CALLS = [("POST", "/create-user", ["username"]), ("POST", "/create-queue", ["username", "queue_name", "api_key"]),
         ("PUT", "/update-queue", ["username", "queue_name", "api_key"]), ("DELETE", "/delete-queue", ["username", "queue_name", "api_key"]),
         ("GET", "/get-queues", ["username"]), ("POST", "/add-message", ["username", "queue_name", "api_key", "service"]),
         ("GET", "/get-messages-user", ["username", "queue_name", "api_key"])]


@pytest.mark.parametrize(("method", "path", "fields"), CALLS)
def test_bad_calls_are_told_what_is_wrong(api, method, path, fields):
    for field in fields:
        rest = {name: MINE[name] for name in fields if name != field}
        assert api.call(method, path, **rest) == (400, {"message": f"Missing {field} parameter", "status": 400})
        assert api.call(method, path, **rest, **{field: ["x"]})[0] == 400
    for data in (b"", b"no json", b"[]", b'"x"', b"\xff", b"{" * 5_000):
        status, body = api.raw(method, path, data)
        assert (status, json.loads(body)) == (400, {"message": "Missing JSON in request", "status": 400})
    status, body = api.raw(method, path, json.dumps({name: MINE[name] for name in fields}).encode(), headers={})
    assert status != 415 and status < 500, "the content type is not asked for"
    assert api.raw("PATCH", path, b"{}")[0] == 405
    try:
        assert api.raw(method, path, b" " * (10 << 20))[0] == 413
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert api.call("POST", "/nothing")[0] == 404


def test_unknown_users_wrong_keys_and_others_accounts_are_refused(api, server):
    nobody = {**MINE, "username": "nobody"}
    for method, path, fields in CALLS[1:]:
        extra = {"new_api_key": "x"} if method == "PUT" else {}
        assert api.call(method, path, **{name: nobody[name] for name in fields}, **extra)[0] == 404
    Rest(server).post("/v1/accounts", {"login": "owner", "password": PASSWORD}).ok(201)
    assert api.call("POST", "/create-user", username="owner")[0] == 401
    assert api.call("POST", "/create-queue", **{**MINE, "username": "owner"})[0] == 401
    assert api.call("POST", "/create-queue", **{**MINE, "username": "guest"})[0] == 401
    mine = queue_of(api, "una", "z", "k")
    assert api.call("POST", "/add-message", **mine, service="3")[0] == 400
    assert api.call("POST", "/create-user", username="una")[0] == 409
    assert api.call("POST", "/create-queue", **{**mine, "queue_name": "x" * 300})[0] == 400
    assert api.call("POST", "/create-queue", **{**mine, "queue_name": "y", "api_key": "x" * 300})[0] == 400


def test_keys_open_no_other_door(api, server):
    mine = queue_of(api, "ivy", "q", "chk_mine")
    assert Rest(server, authorization="Bearer chk_mine").get("/v1/queues/ivy.q").status == 401
    assert Rest(server, "ivy", "chk_mine").get("/v1/me").status == 401
    assert Rest(server, "ivy", "").get("/v1/me").status in (401, 422)
    assert api.call("GET", "/get-messages-user", **mine)[0] == 200


def test_calls_of_grpc_that_cannot_be_are_answered(server):
    with grpc.insecure_channel(server.classroom_grpc) as channel:
        raw = channel.unary_unary("/message_queue.MessageQueue/getMessage")
        assert raw(b"", timeout=20) != b"", "no service is named: the answer says so"
        for path, data, code in (("/message_queue.MessageQueue/nothing", b"", grpc.StatusCode.UNIMPLEMENTED),
                                 ("/message_queue.MessageQueue/getMessage", b"\xff\xff", grpc.StatusCode.INTERNAL),
                                 ("/message_queue.MessageQueue/sendMessage", b"\x22" + b"\x80\x80\x80\x05" + b"x" * (10 << 20), None)):
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary(path)(data, timeout=20)
            assert code is None or failed.value.code() in (code, grpc.StatusCode.INVALID_ARGUMENT), failed.value
        assert raw(b"\x0a\x011", timeout=20)


def test_an_account_with_a_password_has_moved_on_with_its_queues(api, server):
    mine = queue_of(api, "mover", "kept", "k")
    plain = Plain(server, "mover")
    assert plain.register() == (201, b"")
    Rest(server).put("/v1/accounts/mover/password", {"new": PASSWORD}).ok(204)
    assert api.call("GET", "/get-messages-user", **mine)[0] == 401
    assert plain.say("nobody says this")[0] == 401
    plain.close()
    assert Rest(server, "mover", PASSWORD).get("/v1/queues/mover.kept").ok()["owner"] == "mover"


def test_nobody_calls_in_the_name_of_the_worker_services(api, worker):
    worker.next("1")
    assert api.call("POST", "/create-user", username="classroom")[0] == 401
    assert api.call("GET", "/get-queues", username="classroom")[0] == 401


def test_head_is_refused_and_takes_nothing(api, worker, server):
    mine = queue_of(api, "hea", "q", "k")
    assert api.call("POST", "/add-message", **mine, service="1")[0] == 200
    assert worker.respond(worker.next("1"), "kept").status == 200
    for path, allowed in (("/get-messages-user", "GET"), ("/get-queues", "GET"), ("/query", "GET")):
        for method in ("HEAD", "PATCH"):
            link = http.client.HTTPConnection(server.classroom_rest, timeout=20)
            link.request(method, path, json.dumps(mine).encode())
            answer = link.getresponse()
            assert (answer.status, answer.headers.get_all("Allow")) == (405, [allowed])
            assert bool(answer.read()) == (method != "HEAD")
            link.close()
    assert api.call("GET", "/get-messages-user", **mine)[1]["data"] == ["kept"]


def test_a_dot_parts_a_user_from_a_queue(api, server):
    mine = queue_of(api, "dot", "b.c", "k")
    assert api.call("POST", "/create-user", username="dot.b") == (
        400, {"message": "A user's name has no '.' here: a dot parts it from the name of a queue", "status": 400})
    plain = Plain(server, "dot.b")
    assert plain.register() == (201, b""), "it is a name in the chat"
    assert api.call("POST", "/create-user", username="dot.b")[0] == 409
    assert api.call("POST", "/create-queue", username="dot.b", queue_name="c", api_key="x")[0] == 400
    assert api.call("GET", "/get-messages-user", **mine)[0] == 200
    plain.close()
