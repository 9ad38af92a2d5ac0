"""Clients of all five systems on one server, in the same room and at the same queue, each as it is."""

import json
import re
from datetime import UTC, datetime

import pytest

from chat import Chat, answers_up_to, login_of, registering
from classroom import Json, Plain, Worker, open_classroom, registering_plain
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


class Participant:
    """Somebody in the room, whatever they speak: `says` a text there, and `hears` that a login said one."""

    def __init__(self, login, says, hears):
        self.login, self.says, self.hears = login, says, hears


def by_http(plain):
    return Participant(plain.name, plain.say, lambda login, text: hears(plain, f"{login}>{text}".encode()))


def by_amqp(channel):
    mine = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(mine, "chat", "room.lobby")

    def heard(login, text):
        def is_it():
            told = json.loads(await_get(channel, mine, within=20).body)
            return told["type"] == "message" and (told["from"], told["text"]) == (login, text)

        eventually(is_it, within=20)

    return Participant("guest", lambda text: publish(channel, "room.lobby", text, exchange="chat"), heard)


def by_line(person):
    return Participant(person.login, person.say, lambda login, text: person.hears(f"{login}: {text}"))


@pytest.fixture
def plain(server):
    """Clients of the plain chat that have registered, closed at the end of the test."""
    with registering_plain(server) as maker:
        yield maker


def test_all_five_are_in_one_room(server, chat, connection, plain):
    """Who has no call for talking in its own interface talks by the same account in another."""
    api = Json(server)
    assert api.call("POST", "/login", username="peer", password="a password", url="10.0.0.9:5001")[0] == 200
    assert api.call("POST", "/create-user", username="asker")[0] == 200
    newcomer = registering(chat, login_of("new"))
    newcomer.hears("lobby")
    everybody = [by_line(newcomer), by_http(plain("http")), by_amqp(connection.channel()), by_http(plain("asker")),
                 by_line(chat.enter("peer", "a password"))]
    for number, speaker in enumerate(everybody):
        text = f"number {number}, from {speaker.login}"
        speaker.says(text)
        for each in everybody:
            # Two of the interfaces tell nobody what they said themselves.
            if each is not speaker or each.login == "guest":
                each.hears(speaker.login, text)


def test_a_bare_socket_finds_users_of_the_others_and_whispers_to_them(chat, plain):
    polling = plain("poll")
    ana = chat.wire()
    assert abs((datetime.now(UTC) - ana.told_time()).total_seconds()) < 5
    ana.login = login_of("ana")
    ana.say("new")
    answers_up_to(ana, None)
    ana.hears("lobby")
    assert [line for line in ana.listing("#lR") if re.search(r"\* lobby +\d", line)]
    assert [line for line in ana.listing("#show users") if re.search(r"^--  *poll +online", line)]
    ana.ask("#\\private<poll> for you alone", "for you alone")
    assert hears(polling, b"for you alone") == f"\n{ana.login} (private)>for you alone".encode()
    cafe = f"café-{ana.login}"
    ana.makes(cafe)
    ana.say("nobody hears this")
    ana.ask("#eR", "You are in", "lobby")
    ana.say("back again")
    assert hears(polling, b"back again") == f"\n{ana.login}>back again".encode()
    ana.ask(f"#dR {cafe}", "Done")
    assert not [line for line in ana.listing("#lR") if cafe in line]
    ana.say("#exit")
    assert ana.rest()


def test_a_request_is_answered_by_workers_of_two_kinds_who_ask_the_list_and_tell_the_room(server, chat, connection, plain):
    api, worker = Json(server), Worker(server)
    url = "10.0.0.8:5001"
    assert api.call("POST", "/login", username="holder", password="a password", url=url)[0] == 200
    assert api.call("POST", "/index", files=["notes.txt"], url=url)[0] == 200
    assert api.call("POST", "/create-user", username="reader")[0] == 200
    polling = plain("reader")
    mine = {"username": "reader", "queue_name": "found", "api_key": "k"}
    assert api.call("POST", "/create-queue", **mine)[0] == 200
    for service in ("1", "2"):
        assert api.call("POST", "/add-message", **mine, service=service)[0] == 200

    def holder_of_notes():
        status, urls = api.call("GET", "/query", file_name="notes.txt")
        assert status == 200
        return urls[0]

    assert worker.respond(worker.next("1"), f"gRPC: {holder_of_notes()}").status == 200
    eventually(lambda: Rest(server).get("/v1/queues/reader.found").ok()["messages_ready"] == 1)
    channel = connection.channel()
    taken = await_get(channel, "service-2")
    publish(channel, taken.properties.reply_to, f"AMQP: {holder_of_notes()}")
    publish(channel, "room.lobby", "answered by AMQP", exchange="chat")
    hears(polling, b"guest>answered by AMQP")
    seen = []
    eventually(lambda: seen.extend(api.call("GET", "/get-messages-user", **mine)[1]["data"]) or len(seen) == 2)
    assert seen == [f"gRPC: {url}", f"AMQP: {url}"]
    holder = chat.enter("holder", "a password")
    assert polling.say(f"I fetch it from {url}")[0] == 200
    holder.hears(f"reader: I fetch it from {url}")
    worker.close()


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
