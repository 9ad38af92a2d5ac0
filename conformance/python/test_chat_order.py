"""One room through every door: one order for all, every message once, numbers without a hole; sending again; coming back; the clock."""

import http.client
import json as json_of
import threading
import time
from urllib.parse import quote, urlencode, urlsplit

import grpc
import pika
import pytest

from chat import Person, Program
from grpc_client import v1
from harness.brokers import Chaski
from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY
from test_chat_grpc import Talk

pytestmark = REST_ONLY

# What is said last.
END = "that is all"
TALKERS_PER_DOOR, MESSAGES = 2, 25
HOURS_3_US = 3 * 60 * 60 * 1_000_000


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"chat.messages_per_second": 0})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def room(chat):
    """A room that stays; its name."""
    made = "order-" + chat.account("room")
    chat.admin.post("/v1/rooms", {"room": made, "keep": True}).ok(201)
    return made


def messages_path(room):
    return f"/v1/rooms/{quote(room, '')}/messages"


def history(chat, room):
    """All that was said in a room, by pages forwards."""
    messages, after = [], 0
    while True:
        page = chat.admin.get(messages_path(room), after=after, limit=200).ok()
        messages += page["messages"]
        if not page["more"]:
            assert [each["seq"] for each in messages] == list(range(1, page["head"] + 1))
            return messages
        after = messages[-1]["seq"]


# A door is how somebody listens in a room and how somebody talks there. Another door is one more pair, named in DOORS.


class Member(threading.Thread):
    """Listens in a room until END; `heard` is what came, as (who, what), and `numbers` the numbers where the door tells them."""

    def __init__(self, chat, login, room):
        super().__init__(daemon=True)
        self.chat, self.login, self.room = chat, login, room
        self.heard, self.numbers, self.broken = [], [], None
        self.open()

    def run(self):
        try:
            self.listen()
        except Exception as error:  # noqa: BLE001: it is told by the test
            self.broken = error

    def take(self, message):
        """Notes a message; true if it was the last."""
        self.numbers.append(message["seq"])
        return self.note(message["from"], message["text"])

    def note(self, who, what):
        self.heard.append((who, what))
        return what == END


class TextMember(Member):
    def open(self):
        self.person = self.chat.enter(self.login)
        self.person.goes(self.room)

    def listen(self):
        while True:
            line = self.person.line(30)
            who, says, what = line.partition(": ")
            if says and not line.startswith("-- ") and self.note(who, what):
                return


class JsonMember(Member):
    def open(self):
        self.talk = self.chat.program(self.login)
        self.talk.does("join", room=self.room)

    def listen(self):
        while not self.take(self.talk.hears("message", within=30, room=self.room)):
            pass


class SocketMember(JsonMember):
    def open(self):
        self.talk = self.chat.socket(self.login, enter=False)
        self.talk.does("join", room=self.room)


class EventsMember(Member):
    def open(self):
        rest = self.chat.bearer(self.login)
        self.link = http.client.HTTPConnection(urlsplit(rest.broker.http_url).netloc, timeout=30)
        path = f"/v1/rooms/{quote(self.room, '')}/events?" + urlencode({"after": 0})
        self.link.request("GET", path, headers={"Authorization": rest.authorization})
        self.answer = self.link.getresponse()
        assert self.answer.status == 200

    def listen(self):
        kind = None
        while line := self.answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            if name == "data" and kind == "message" and self.take(json_of.loads(value)):
                break
        self.link.close()


class PollMember(Member):
    def open(self):
        self.rest = self.chat.bearer(self.login)

    def listen(self):
        after = 0
        while True:
            page = self.rest.get(messages_path(self.room), after=after, wait_s=20, limit=7).ok()
            for message in page["messages"]:
                after = message["seq"]
                if self.take(message):
                    return


def amqp(chat, login):
    """A channel of the account's."""
    server = chat.server
    parameters = pika.ConnectionParameters(server.host, server.port, credentials=pika.PlainCredentials(login, PASSWORD))
    return pika.BlockingConnection(parameters).channel()


class AmqpMember(Member):
    """A queue of its own, bound to the room."""

    def open(self):
        self.channel = amqp(self.chat, self.login)
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.queue, "chat", f"room.{self.room}")

    def listen(self):
        for _, properties, body in self.channel.consume(self.queue, auto_ack=True, inactivity_timeout=30):
            message = json_of.loads(body)
            assert (properties.type, properties.content_type) == ("message", "application/json"), properties
            assert properties.headers["seq"] == message["seq"] and properties.user_id == message["from"], properties
            if self.take(message):
                break
        self.channel.connection.close()


def conversation(chat, login):
    """A gRPC conversation of the account's."""
    rest = chat.bearer(login)
    channel = grpc.insecure_channel(urlsplit(rest.broker.http_url).netloc)
    return Talk(channel, (("authorization", rest.authorization),))


class GrpcMember(Member):
    def open(self):
        self.talk = conversation(self.chat, self.login)
        self.talk.join(self.room)

    def listen(self):
        is_over = False
        while not is_over:
            message = self.talk.hears("message")
            self.numbers.append(message.seq)
            is_over = self.note(message.sender, message.text)
        self.talk.close()


def text_talker(chat, login, room):
    person = chat.enter(login)
    person.goes(room)

    def talk(texts):
        # All at once: the order is kept, and each is heard back.
        person.send("".join(f"{text}\n" for text in texts).encode())
        person.until(f"{login}: {texts[-1]}", within=30)

    return talk


def json_talker(chat, login, room):
    return _talker(chat.program(login), room)


def socket_talker(chat, login, room):
    return _talker(chat.socket(login, enter=False), room)


def grpc_talker(chat, login, room):
    talker = conversation(chat, login)

    def talk(texts):
        asked = [talker.post(say=v1.ChatSay(room=room, text=text)) for text in texts]
        assert [talker.answer(ref).WhichOneof("result") for ref in asked] == ["posted"] * len(texts)
        talker.close()

    return talk


def _talker(client, room):
    def talk(texts):
        asked = [client.post("say", room=room, text=text) for text in texts]
        answers = [client.answer(ref, within=30) for ref in asked]
        assert {each["type"] for each in answers} == {"sent"}, answers
        assert sorted(each["seq"] for each in answers) == [each["seq"] for each in answers]

    return talk


def rest_talker(chat, login, room):
    rest = chat.bearer(login)

    def talk(texts):
        for text in texts:
            rest.post(messages_path(room), {"text": text}).ok(201)

    return talk


def amqp_talker(chat, login, room):
    channel = amqp(chat, login)
    channel.confirm_delivery()

    def talk(texts):
        for text in texts:
            channel.basic_publish("chat", f"room.{room}", text.encode(), mandatory=True)
        channel.connection.close()

    return talk


DOORS = {
    "text": (TextMember, text_talker),
    "json": (JsonMember, json_talker),
    "websocket": (SocketMember, socket_talker),
    "events": (EventsMember, None),
    "poll": (PollMember, rest_talker),
    "amqp": (AmqpMember, amqp_talker),
    "grpc": (GrpcMember, grpc_talker),
}


def test_everybody_sees_the_same_order_whatever_the_door(chat, room):
    members = {door: kind(chat, chat.account(f"in-{door}"), room) for door, (kind, _) in DOORS.items()}
    for member in members.values():
        member.start()
    said, threads, failures = {}, [], []

    def run(talk, texts):
        try:
            talk(texts)
        except Exception as error:  # noqa: BLE001: it is told below
            failures.append(error)

    for door, (_, opener) in DOORS.items():
        for number in range(TALKERS_PER_DOOR if opener else 0):
            login = chat.account(f"by-{door}")
            said[login] = [f"{door} {number} says {index}" for index in range(MESSAGES)]
            threads.append(threading.Thread(target=run, args=(opener(chat, login, room), said[login]), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures, failures
    chat.admin.post(messages_path(room), {"text": END}).ok(201)
    stored = history(chat, room)
    expected = [(each["from"], each["text"]) for each in stored]
    # Every message once, each sender's in the order in which they were sent.
    assert len(expected) == len(set(expected)) == sum(map(len, said.values())) + 1
    for login, texts in said.items():
        assert [what for who, what in expected if who == login] == texts, login
    for door, member in members.items():
        member.join(30)
        assert not member.is_alive() and member.broken is None, (door, member.broken, len(member.heard))
        assert member.heard == expected, door
        assert not member.numbers or member.numbers == [each["seq"] for each in stored], door


def test_a_message_that_is_sent_again_under_its_own_name_is_one(chat, room, server):
    ana, bob = chat.account("ana"), chat.account("bob")
    program, socket, rest = chat.program(ana), chat.socket(ana, enter=False), chat.bearer(ana)
    listener = chat.socket(bob, enter=False)
    listener.does("join", room=room)
    first = program.does("say", room=room, text="once", sent_id="a/1")
    assert (first["seq"], first["sent_id"], first.get("duplicate", False)) == (1, "a/1", False)
    for client in (program, socket):
        again = client.does("say", room=room, text="once", sent_id="a/1")
        assert (again["seq"], again["id"], again["duplicate"]) == (first["seq"], first["id"], True), again
    assert rest.post(messages_path(room), {"text": "once", "sent_id": "a/1"}).ok(200)["seq"] == 1
    # Somebody else's same name is another message.
    other = chat.bearer(bob).post(messages_path(room), {"text": "mine", "sent_id": "a/1"}).ok(201)
    assert other["seq"] == 2
    # Many at the same time.
    clients = [program, socket, chat.program(ana), chat.socket(ana, enter=False)]
    asked = [(client, client.post("say", room=room, text="race", sent_id="r")) for client in clients for _ in range(5)]
    answers = [client.answer(ref) for client, ref in asked]
    assert {each["seq"] for each in answers} == {3}, answers
    assert len([each for each in answers if not each.get("duplicate")]) == 1, answers
    assert [each["text"] for each in listener.fence() if each["type"] == "message"] == ["once", "mine", "race"]
    for wrong in ("", "x" * 65):
        program.refused("say", "invalid", room=room, text="x", sent_id=wrong)
    assert rest.post(messages_path(room), {"text": "x", "sent_id": "x" * 64}).ok(201)["seq"] == 4
    assert len(history(chat, room)) == 4
    server.restart()
    assert chat.rest(ana).post(messages_path(room), {"text": "once", "sent_id": "a/1"}).ok(200)["seq"] == 1


def refused_json(client, room, seq):
    client.refused("say", "no_message", room=room, text="lost", reply_to=seq)


def refused_text(chat, login, room, seq):
    person = chat.enter(login)
    person.goes(room)
    person.ask(f"#reply {seq} lost", f"no message {seq} here")


def refused_rest(chat, login, room, seq):
    answer = chat.bearer(login).post(messages_path(room), {"text": "lost", "reply_to": seq})
    assert f"no message {seq} here" in answer.problem(404)["detail"]


def refused_grpc(chat, login, room, seq):
    talker = conversation(chat, login)
    answered = talker.answer(talker.post(say=v1.ChatSay(room=room, text="lost", reply_to=seq)))
    talker.close()
    assert answered.error.code == "NO_MESSAGE", answered


def refused_call(chat, login, room, seq):
    rest = chat.bearer(login)
    with grpc.insecure_channel(urlsplit(rest.broker.http_url).netloc) as channel:
        client = v1.ChatServiceStub(channel)
        request = v1.SayRequest(say=v1.ChatSay(room=room, text="lost", reply_to=seq))
        with pytest.raises(grpc.RpcError) as refused:
            client.Say(request, metadata=(("authorization", rest.authorization),))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def refused_amqp(chat, login, room, seq):
    channel = amqp(chat, login)
    channel.confirm_delivery()
    body = json_of.dumps({"text": "lost", "reply_to": seq})
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as closed:
        channel.basic_publish("chat", f"room.{room}", body, pika.BasicProperties(content_type="application/json"))
    channel.connection.close()
    assert closed.value.reply_code == 404 and f"no message {seq} here" in closed.value.reply_text


@pytest.mark.parametrize("refused", [
    pytest.param(refused_text, id="text"),
    pytest.param(lambda chat, login, *what: refused_json(chat.program(login), *what), id="json"),
    pytest.param(lambda chat, login, *what: refused_json(chat.socket(login, enter=False), *what), id="websocket"),
    pytest.param(refused_rest, id="rest"),
    pytest.param(refused_grpc, id="grpc stream"),
    pytest.param(refused_call, id="grpc call"),
    pytest.param(refused_amqp, id="amqp"),
])
def test_an_answer_to_no_message_is_refused_by_every_door(chat, room, refused):
    login = chat.account("ana")
    chat.bearer(login).post(messages_path(room), {"text": "the only one"}).ok(201)
    refused(chat, login, room, 2)
    stored = history(chat, room)
    assert [(each["seq"], each["text"]) for each in stored] == [(1, "the only one")]


@pytest.mark.parametrize("door", ["json", "websocket"])
def test_whoever_comes_back_with_its_last_number_misses_nothing_and_sees_nothing_twice(chat, room, door):
    login, talker = chat.account(), chat.socket(chat.account("bob"), enter=False)

    def come(**wish):
        client = chat.program(login) if door == "json" else chat.socket(login, enter=False)
        joined = client.does("join", room=room, **wish)
        return client, joined, [each for each in client.heard if each["type"] == "message"]

    def speak(count):
        for ref in [talker.post("say", room=room, text="x") for _ in range(count)]:
            talker.answer(ref)

    client, joined, missed = come()
    assert (joined["head"], missed) == (0, [])
    speak(3)
    assert [client.hears("message")["seq"] for _ in range(3)] == [1, 2, 3]
    client.close()
    # Away; more than is at hand in memory.
    speak(150)
    client, joined, missed = come(after=3)
    assert [each["seq"] for each in missed] == list(range(4, 154)) and all(each["history"] for each in missed)
    assert joined["head"] == 153 and not joined.get("skipped")
    speak(2)
    assert [client.hears("message")["seq"] for _ in range(152)] == list(range(4, 156))
    client.close()
    # Away for longer than is sent at once: the rest is paged.
    speak(510)
    client, joined, missed = come(after=155)
    assert joined["skipped"] == 10 and [each["seq"] for each in missed] == list(range(166, 666))
    page = client.does("history", room=room, before=166, limit=10)
    assert [each["seq"] for each in page["messages"]] == list(range(156, 166))


def test_joining_the_default_room_with_a_number_tells_what_was_missed_there(chat):
    login, talker = chat.account(), chat.socket(chat.account("bob"))
    head = talker.does("say", room="lobby", text="one")["seq"]
    chat.program(login).close()
    for text in ("two", "three"):
        talker.does("say", room="lobby", text=text)
    program = chat.program(login)
    program.does("join", room="lobby", after=head)
    assert [each["text"] for each in program.heard if each["type"] == "message"] == ["two", "three"]


def test_each_join_is_answered_once(chat, room):
    for client in (chat.program(chat.account()), chat.socket(chat.account(), enter=False)):
        client.fence()
        assert client.does("join", room=room)["room"] == room
        assert not [each for each in client.fence() if each["type"] == "joined"]
        assert client.does("create", room=f"{client.login}s")["room"] == f"{client.login}s"
        assert not [each for each in client.fence() if each["type"] == "joined"]


def test_unread_is_the_newest_less_what_was_read_and_no_session_disagrees(chat, room):
    login, talker = chat.account(), chat.socket(chat.account("bob"), enter=False)
    one, two = chat.socket(login, enter=False), chat.socket(login, enter=False)
    for client in (one, two):
        client.does("join", room=room)
    for text in ("a", "b", f"hello @{login}"):
        talker.does("say", room=room, text=text)

    def shown(client):
        mine = [each for each in client.does("rooms")["rooms"] if each["room"] == room][0]
        return mine["head"], mine.get("read", 0), mine["unread"], mine["mentions"]

    assert shown(one) == shown(two) == (3, 0, 3, 1)
    one.does("read", room=room, seq=2)
    told = two.hears("read", room=room)
    assert (told["read"], told["unread"], told["mentions"]) == (2, 1, 1)
    # It does not go back, and not beyond the newest.
    one.does("read", room=room, seq=1)
    assert shown(two)[1:] == (2, 1, 1)
    one.call("read", room=room, seq=99)
    assert shown(two) == (3, 3, 0, 0)
    # One's own message is read by oneself.
    one.does("say", room=room, text="mine")
    assert shown(two) == (4, 4, 0, 0)


def clock(chat, door):
    """Asks a door for the time with a t1; returns t1, t2, t3."""
    client = {"json": chat.program, "websocket": chat.socket, "text": chat.enter, "rest": chat.bearer}[door](chat.account())
    if door == "rest":
        return lambda t1: client.get("/v1/time", t1_us=t1).ok()
    if door == "text":
        def ask(t1):
            words = Person.ask(client, f"#time {t1}", f"t1={t1} ").split()
            return {key + "_us": int(value) for key, value in (word.split("=") for word in words if "=" in word)}
        return ask
    return lambda t1: client.does("time", t1_us=t1)


@pytest.mark.parametrize("shift_us", [0, HOURS_3_US, -HOURS_3_US], ids=["right", "3 hours fast", "3 hours slow"])
@pytest.mark.parametrize("door", ["text", "json", "websocket", "rest"])
def test_a_client_whose_clock_is_wrong_finds_out_by_how_much(chat, door, shift_us):
    ask = clock(chat, door)

    def now_us():
        return time.time_ns() // 1_000 + shift_us

    readings = []
    for _ in range(5):
        t1 = now_us()
        told = ask(t1)
        t4 = now_us()
        t2, t3 = told["t2_us"], told["t3_us"]
        assert told["t1_us"] == t1 and t2 <= t3
        readings.append((((t4 - t1) - (t3 - t2)) / 2, ((t2 - t1) + (t3 - t4)) / 2))
    error, offset = min(readings)
    assert 0 <= error < 100_000
    # Server and client are one machine: what the clock is off by is known exactly.
    assert abs(offset + shift_us) <= error + 1, readings
    assert all(abs(each + shift_us) <= bound + 1 for bound, each in readings), readings


def test_a_reader_that_comes_back_by_rest_and_events_goes_on_where_it_was(chat, room):
    rest = chat.bearer(chat.account())
    for number in range(1, 31):
        rest.post(messages_path(room), {"text": str(number)}).ok(201)
    for after in (0, 10, 29):
        member = EventsMember(chat, rest.login, room)
        link = http.client.HTTPConnection(urlsplit(rest.broker.http_url).netloc, timeout=30)
        link.request("GET", f"/v1/rooms/{quote(room, '')}/events",
                     headers={"Authorization": rest.authorization, "Last-Event-ID": str(after)})
        member.link.close()
        member.link, member.answer = link, link.getresponse()
        member.start()
        eventually(lambda: len(member.numbers) == 30 - after)
        assert member.numbers == list(range(after + 1, 31))
        link.sock.close()


def test_a_program_and_a_person_of_one_account_both_hear(chat, room):
    login = chat.account()
    person, program = chat.enter(login), chat.enter(login, kind=Program)
    program.machine()
    person.goes(room)
    program.does("join", room=room)
    person.speak("hi")
    assert program.hears("message", room=room)["text"] == "hi"
    program.does("say", room=room, text="ho")
    person.hears(f"{login}: ho")
