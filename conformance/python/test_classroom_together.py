"""Clients of all five systems on one server, in the same room and at the same queue, each as it is."""

import pytest

from chat import Chat
from classroom import Json, Plain, Worker, open_classroom
from clients import await_get, publish
from harness.waiting import eventually
from rest import Rest
from test_classroom_chat import hears


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
def chat(server):
    opened = Chat(server)
    yield opened
    opened.close()


def test_all_five_are_in_one_room(server, chat, connection):
    plain = Plain(server, "http")
    assert plain.register() == (201, b"")
    api = Json(server)
    assert api.call("POST", "/login", username="peer", password="a password", url="10.0.0.9:5001")[0] == 200
    assert api.call("POST", "/create-user", username="asker")[0] == 200
    peer = Rest(server, "peer", "a password")
    terminal = chat.people("nc")[0]
    channel = connection.channel()
    mine = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(mine, "chat", "room.lobby")

    def told(text):
        eventually(lambda: text in (await_get(channel, mine).body or b""), within=20)

    assert plain.say("one, by plain HTTP")[0] == 200
    terminal.hears("http", "one, by plain HTTP")
    told(b"one, by plain HTTP")
    terminal.say("two, by a socket")
    told(b"two, by a socket")
    publish(channel, "room.lobby", "three, by AMQP", exchange="chat")
    peer.post("/v1/rooms/lobby/messages", {"text": "four, by the account of a peer"}).ok(201)
    heard = hears(plain, b"four, by the account of a peer")
    lines = heard.decode().split("\n")[1:]
    assert sorted(lines) == sorted([f"{terminal.login}>two, by a socket", "guest>three, by AMQP", "peer>four, by the account of a peer"])
    terminal.hears("guest", "three, by AMQP")
    plain.close()


def test_a_user_of_the_plain_chat_owns_queues_that_amqp_and_grpc_serve(server, connection):
    plain = Plain(server, "both")
    assert plain.register() == (201, b"")
    api, worker = Json(server), Worker(server)
    mine = {"username": "both", "queue_name": "q", "api_key": "k"}
    assert api.call("POST", "/create-user", username="both")[0] == 409, "it is the same account"
    assert api.call("POST", "/create-queue", **mine)[0] == 200
    for _ in range(2):
        assert api.call("POST", "/add-message", **mine, service="1")[0] == 200
    channel = connection.channel()
    taken = await_get(channel, "service-1")
    publish(channel, taken.properties.reply_to, "from AMQP")
    eventually(lambda: Rest(server).get("/v1/queues/both.q").ok()["messages_ready"] == 1)
    work = worker.next("1")
    assert worker.respond(work, "from gRPC").status == 200
    Rest(server).publish("both.q", "from REST")
    eventually(lambda: Rest(server).get("/v1/queues/both.q").ok()["messages_ready"] == 3)
    assert api.call("GET", "/get-messages-user", **mine)[1]["data"] == ["from AMQP", "from gRPC", "from REST"]
    assert plain.say("I own a queue")[0] == 200
    worker.close()
    plain.close()


def test_the_doors_are_closed_unless_they_are_asked_for():
    from harness.brokers import Chaski
    usual = Chaski()
    usual.start()
    try:
        assert not [name for name in usual.ready if name.startswith("classroom")]
    finally:
        usual.stop()
