"""The server is killed under load, again and again: what was acknowledged is there, numbers keep their meaning, and those who come
back by themselves miss nothing and see nothing twice."""

import random
import threading
from urllib.parse import quote

import pytest
import websocket

from chat import Chat, Over, Program, Socket
from harness.brokers import Chaski
from harness.waiting import Stopwatch, eventually, pause
from rest import REST_ONLY

pytestmark = REST_ONLY

ROUNDS, WINDOW = 4, 16
# Those who listen are slower than those who say, and would never be back.
BACKLOG_MAX = 2_000
CUT = (Over, OSError, AssertionError, websocket.WebSocketException)


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"chat.messages_per_second": 0})
    started.start()
    yield started
    started.stop()


def open_line(chat, login):
    """A program at the line protocol; not one that the test closes, as it comes and goes."""
    program = Program(chat.server)
    program.login = login
    program.say(f"token {chat.token(login)}")
    program.machine()
    return program


def open_socket(chat, login):
    return Socket(chat.bearer(login), enter=False)


class Client(threading.Thread):
    """Somebody who comes back by themselves."""

    def __init__(self, chat, login, opener):
        super().__init__(daemon=True)
        self.chat, self.login, self._open = chat, login, opener
        self.is_done, self.entries, self.flaws = threading.Event(), 0, []

    def run(self):
        while not self.is_done.is_set():
            try:
                client = self._open(self.chat, self.login)
            except CUT:
                pause(0.02)
                continue
            try:
                self.work(client)
            except CUT as error:
                self.last = error
            finally:
                client.close()


class Sender(Client):
    """Says things in several places, each under a name of its own, until it is told to stop and all of them are acknowledged.

    Says nothing new while `backlog` tells that those who listen have too much to read.
    """

    def __init__(self, chat, login, opener, places, backlog):
        super().__init__(chat, login, opener)
        self.places, self.number, self.must_stop, self._backlog = places, 0, threading.Event(), backlog
        # By the sender's own id: what is under way, as (place, text), and what was acknowledged, as (place, number, text).
        self.open, self.acknowledged = {}, {}

    def work(self, client):
        asked = {}
        for sent_id in self.open:
            asked[self._say(client, sent_id)] = sent_id
        self.entries += 1
        while asked or not self.must_stop.is_set():
            while len(asked) < WINDOW and not self.must_stop.is_set() and self._backlog() < BACKLOG_MAX:
                sent_id = f"{self.login}/{self.number}"
                self.open[sent_id] = (self.places[self.number % len(self.places)], f"message {sent_id}")
                self.number += 1
                asked[self._say(client, sent_id)] = sent_id
            if not asked:
                pause(0.005)
                continue
            ref = next(iter(asked))
            answer, sent_id = client.answer(ref, within=10), asked.pop(ref)
            client.heard.clear()
            place, text = self.open[sent_id]
            if (answer["type"], answer.get("sent_id"), answer.get("room")) != ("sent", sent_id, place):
                self.flaws.append((sent_id, answer))
            self.acknowledged[sent_id] = (place, answer.get("seq"), text)
            del self.open[sent_id]
        self.is_done.set()

    def _say(self, client, sent_id):
        place, text = self.open[sent_id]
        return client.post("say", room=place, text=text, sent_id=sent_id)


class Listener(Client):
    """Is in several rooms; comes back with the last number that it has of each."""

    def __init__(self, chat, login, opener, rooms):
        super().__init__(chat, login, opener)
        self.rooms = rooms
        self.seen = {room: [] for room in rooms}
        self.upto = {}

    def work(self, client):
        for room in self.rooms:
            after = self._newest(room)
            joined = client.does("join", room=room, after=after)
            missed = [word for word in client.heard if word["type"] == "message" and word["room"] == room]
            client.heard = [word for word in client.heard if word not in missed]
            while joined.get("skipped"):
                page = client.does("history", room=room, after=self._newest(room), limit=min(200, joined["skipped"]))
                joined["skipped"] -= len(page["messages"])
                for message in page["messages"]:
                    self._take(room, message)
            for message in missed:
                self._take(room, message)
        self.entries += 1
        while not self.is_done.is_set():
            message = client.hears("message")
            client.heard = [word for word in client.heard if word["type"] == "message"]
            self._take(message["room"], message)
            if self.upto and all(self._newest(room) >= head for room, head in self.upto.items()):
                self.is_done.set()

    def _newest(self, room):
        return self.seen[room][-1][0] if self.seen[room] else 0

    def _take(self, room, message):
        self.seen[room].append((message["seq"], message["from"], message["text"]))


def everything(rest, path):
    """All messages of a place, by pages."""
    messages, after = [], 0
    while True:
        page = rest.get(path, after=after, limit=200).ok()
        messages += page["messages"]
        if not page["more"]:
            assert not messages or messages[-1]["seq"] == page["head"]
            return messages
        after = messages[-1]["seq"]


def test_nothing_acknowledged_is_lost_and_nobody_misses_or_doubles_anything(server):
    chat, moments = Chat(server), random.Random(5)
    rooms = ["killed-a", "killed-b"]
    for room in rooms:
        chat.admin.post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    away = chat.account("away")
    places = [*rooms, f"@{away}"]
    listeners = [Listener(chat, chat.account("listener"), opener, rooms) for opener in (open_line, open_socket)]

    def backlog():
        """How many messages the slowest listener has still to read, about."""
        said = sum(len(sender.acknowledged) for sender in senders) * len(rooms) // len(places)
        return said - min(sum(map(len, listener.seen.values())) for listener in listeners)

    senders = [Sender(chat, chat.account("sender"), opener, places, backlog) for opener in (open_line, open_line, open_socket)]
    clients = [*senders, *listeners]
    # Their tokens need the server, which is not always there.
    for each in clients:
        chat.token(each.login)
        each.start()
    for number in range(1, ROUNDS + 1):
        before = sum(len(sender.acknowledged) for sender in senders)
        eventually(lambda: all(each.entries >= number for each in clients), within=15, what="everybody is back")
        watch, until = Stopwatch(), 0.3 + moments.random()
        eventually(lambda: watch.seconds > until and sum(len(each.acknowledged) for each in senders) > before + 50, within=20)
        server.kill()
        server.start()
    eventually(lambda: all(each.entries > ROUNDS for each in clients), within=15, what="everybody is back")
    for sender in senders:
        sender.must_stop.set()
    for sender in senders:
        sender.join(15)
        assert not sender.is_alive() and not sender.open, (sender.entries, len(sender.open))
        assert not sender.flaws, sender.flaws[:3]
    stored = {room: everything(chat.admin, f"/v1/rooms/{quote(room)}/messages") for room in rooms}
    upto = {room: len(messages) for room, messages in stored.items()}
    for listener in listeners:
        listener.upto = upto
    # One more in each, so that those who have everything notice.
    for room in rooms:
        chat.admin.post(f"/v1/rooms/{quote(room)}/messages", {"text": "the end"}).ok(201)
    for room in rooms:
        numbers = [each["seq"] for each in stored[room]]
        assert numbers == list(range(1, len(numbers) + 1)), "no hole, nothing twice"
    by_name = {}
    for room, messages in stored.items():
        for each in messages:
            assert each["sent_id"] not in by_name, each
            by_name[each["sent_id"]] = (room, each["seq"], each["text"])
    for sender in senders:
        talk = everything(chat.rest(sender.login), f"/v1/conversations/{away}/messages")
        assert [each["seq"] for each in talk] == list(range(1, len(talk) + 1))
        for each in talk:
            assert each["sent_id"] not in by_name, each
            by_name[each["sent_id"]] = (f"@{away}", each["seq"], each["text"])
        # Acknowledged by its number, before a crash or after it: it is there under the same one.
        assert len(sender.acknowledged) == sender.number
        wrong = {name: (said, by_name.get(name)) for name, said in sender.acknowledged.items() if by_name.get(name) != said}
        assert not wrong, list(wrong.items())[:3]
    assert len(by_name) == sum(sender.number for sender in senders)
    for listener in listeners:
        listener.join(15)
        for room in rooms:
            expected = [(each["seq"], each["from"], each["text"]) for each in stored[room]]
            # Those who listened saw each number once, in order, and what they saw before a crash is what it means now.
            assert listener.seen[room][:len(expected)] == expected, (room, len(listener.seen[room]), len(expected))
    # Whoever was away all the time finds it all.
    waiting = {each["room"]: each["unread"] for each in chat.rest(away).get("/v1/conversations").ok()["conversations"]}
    for sender in senders:
        assert waiting[f"@{sender.login}"] == len([1 for place, _, _ in sender.acknowledged.values() if place.startswith("@")])


def test_rooms_that_go_with_their_creators_are_gone_after_a_crash_and_kept_ones_are_there(server):
    chat = Chat(server)
    ana = chat.program(chat.account("ana"))
    fleeting = f"{ana.login}-fleeting"
    ana.does("create", room=fleeting)
    chat.admin.post("/v1/rooms", {"room": f"{ana.login}-kept", "keep": True}).ok(201)
    ana.does("say", room=f"{ana.login}-kept", text="remember")
    ana.does("block", login="guest")
    ana.does("lang", code="es")
    server.kill()
    server.start()
    names = {each["room"] for each in chat.admin.get("/v1/rooms").ok()["rooms"]}
    # Its creator may still come back for a while, or not; the kept one stays in any case.
    assert f"{ana.login}-kept" in names
    again = chat.program(ana.login)
    assert again.hello["lang"] == "es"
    assert again.does("blocked")["logins"] == ["guest"]
    page = again.does("history", room=f"{ana.login}-kept")
    assert [each["text"] for each in page["messages"]] == ["remember"]
    if fleeting in names:
        again.does("delete_room", room=fleeting)
    chat.close()
