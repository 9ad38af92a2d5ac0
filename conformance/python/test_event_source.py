"""Server-sent events: a reader that behaves as a browser's EventSource, over queues, streams and topics, through cuts and kills."""

import contextlib
import http.client
import json
import socket
import struct
import threading
from urllib.parse import urlencode, urlsplit

import pytest

from harness.waiting import eventually, pause
from rest import REST_ONLY, queue_path, topic_path

pytestmark = REST_ONLY


class EventSource(threading.Thread):
    """Reads events and comes back by itself with the id of the last one, as browsers do; any status but 200 ends it."""

    def __init__(self, rest, path, last_event_id=None, **query):
        super().__init__(daemon=True)
        self.events, self.comments, self.opened, self.refused = [], 0, 0, None
        self._rest, self._path, self._last = rest, path + ("?" + urlencode(query, True) if query else ""), last_event_id
        self._socket, self._over, self._is_cut = None, False, False
        self._may_read = threading.Event()
        self._may_read.set()
        self.start()

    def run(self):
        while not self._over and self.refused is None:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
                self._connect_and_read()
            pause(0.02)

    def _connect_and_read(self):
        link = http.client.HTTPConnection(urlsplit(self._rest.broker.http_url).netloc, timeout=30)
        headers = {"Authorization": self._rest.authorization, "Accept": "text/event-stream"}
        if self._last is not None:
            headers["Last-Event-ID"] = self._last
        link.request("GET", self._path, headers=headers)
        self._socket, self._is_cut = link.sock, False
        answer = link.getresponse()
        try:
            if answer.status != 200:
                self.refused = (answer.status, answer.read())
                return
            assert answer.headers.get_content_type() == "text/event-stream"
            self.opened += 1
            self._read(answer)
        finally:
            link.close()

    def _read(self, answer):
        fields = {}
        while line := answer.readline():
            self._may_read.wait(30)
            if self._is_cut:
                return
            name, _, value = line.decode().rstrip("\n").partition(":")
            if line == b"\n":
                self._dispatch(fields)
                fields = {}
            elif not name:
                self.comments += 1
            else:
                fields[name] = value.removeprefix(" ")

    def _dispatch(self, fields):
        if "id" in fields:
            self._last = fields["id"]
        if "data" in fields:
            self.events.append((fields.get("event", "message"), fields.get("id"), fields["data"]))

    @property
    def messages(self):
        return [json.loads(data) for kind, _, data in self.events if kind == "message"]

    @property
    def bodies(self):
        return [message["body"] for message in self.messages]

    @property
    def ids(self):
        return [each for _, each, _ in self.events]

    def hold(self):
        """Reads no further: what comes is lost when the connection is cut."""
        self._may_read.clear()

    def cut(self):
        """Resets the connection; what is under way and what was received and not read is lost."""
        self._is_cut = True
        with contextlib.suppress(OSError, AttributeError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.shutdown(socket.SHUT_RDWR)
        self._may_read.set()

    def close(self):
        self._over = True
        self.cut()
        self.join(10)

    def wait_open(self, times=1):
        eventually(lambda: self.opened >= times or self.refused, within=20, what="the reader is connected")
        assert self.refused is None, self.refused
        return self

    def wait(self, number, within=30):
        eventually(lambda: len(self.events) >= number or self.refused, within, what=f"{number} events, not {len(self.events)}")
        assert self.refused is None, self.refused
        return self


class Publisher(threading.Thread):
    """Publishes rising numbers without a pause, over restarts; knows which are stored and which may be."""

    def __init__(self, rest, path, **query):
        super().__init__(daemon=True)
        self.stored, self.perhaps = [], set()
        self._rest, self._path, self._query, self._over = rest, path, query, False
        self.start()

    def run(self):
        number = 0
        while not self._over:
            try:
                answer = self._rest.post(self._path, body=str(number).encode(), **self._query)
            except ConnectionRefusedError:
                pause(0.02)
                continue
            except (OSError, http.client.HTTPException):
                # Stored or not: nobody was told.
                self.perhaps.add(number)
            else:
                if answer.status in (200, 201) and answer.json["outcome"] == "stored":
                    self.stored.append(number)
                else:
                    self.perhaps.add(number)
            number += 1

    def finish(self):
        self._over = True
        self.join(30)


@pytest.fixture
def listen(rest):
    opened = []

    def opener(path, reader=None, **query):
        opened.append(EventSource(reader or rest, path, **query))
        return opened[-1].wait_open()

    yield opener
    for each in opened:
        each.close()


@pytest.fixture
def publisher(rest):
    opened = []

    def opener(path, **query):
        opened.append(Publisher(rest, path, **query))
        return opened[-1]

    yield opener
    for each in opened:
        each.finish()


def check_every_one_once(source, publisher):
    """All that was stored was read, in order, once; and nothing that was never sent."""
    publisher.finish()
    last = publisher.stored[-1]
    eventually(lambda: str(last) in source.bodies, within=30, what=f"{last} arrives")
    got = [int(body) for body in source.bodies]
    assert got == sorted(set(got)), "twice or out of order"
    assert set(publisher.stored) <= set(got), f"lost: {sorted(set(publisher.stored) - set(got))[:9]}"
    assert set(got) <= set(publisher.stored) | publisher.perhaps


def kill_twice_while_reading(broker, source, publisher):
    for round_ in (1, 2):
        seen = len(source.events)
        source.wait(seen + 40)
        broker.kill()
        broker.start()
        source.wait_open(round_ + 1)
    source.wait(len(source.events) + 40)


def test_a_stream_is_read_on_through_kills_without_loss_or_repetition(rest, broker, listen, publisher, name):
    queue = name()
    path = rest.make(queue, kind="stream")
    source = listen(path + "/events", offset="first")
    sender = publisher(path + "/messages")
    kill_twice_while_reading(broker, source, sender)
    check_every_one_once(source, sender)
    assert source.ids == [str(message["offset"]) for message in source.messages]


def test_a_topic_is_read_on_through_kills_without_loss_or_repetition(rest, broker, listen, publisher, name):
    topic = name()
    rest.put(topic_path(topic), {}).ok(201)
    source = listen(topic_path(topic) + "/events", pattern=["order.#", "never"])
    sender = publisher(topic_path(topic) + "/messages", routing_key="order.new.red")
    kill_twice_while_reading(broker, source, sender)
    check_every_one_once(source, sender)


def test_a_topics_reader_gets_what_its_patterns_fit_and_nothing_else(rest, listen, name):
    topic = name()
    path = topic_path(topic)
    rest.put(path, {}).ok(201)
    some, every = listen(path + "/events", pattern=["a.*", "b.#"]), listen(path + "/events")
    for key in ("a.1", "a.1.2", "b", "b.1.2", "c", "", "a.end"):
        rest.post(path + "/messages", body=key.encode(), routing_key=key).ok()
    assert some.wait(4).bodies == ["a.1", "b", "b.1.2", "a.end"]
    assert every.wait(7).bodies == ["a.1", "a.1.2", "b", "b.1.2", "c", "", "a.end"]


def test_what_is_published_while_a_topics_reader_is_away_waits_for_it(rest, name):
    topic = name()
    path = topic_path(topic)
    rest.put(path, {}).ok(201)
    source = EventSource(rest, path + "/events").wait_open()
    rest.post(path + "/messages", body=b"0").ok()
    last = source.wait(1).ids[-1]
    source.close()
    for number in (1, 2):
        rest.post(path + "/messages", body=str(number).encode()).ok()
    again = EventSource(rest, path + "/events", last_event_id=last).wait_open()
    assert again.wait(2).bodies == ["1", "2"]
    again.close()


def test_a_queue_is_read_on_after_cuts_without_loss_or_repetition(rest, listen, publisher, name):
    queue = name()
    path = rest.make(queue)
    source = listen(path + "/events", prefetch=1_000)
    sender = publisher(path + "/messages")
    for round_ in range(4):
        source.wait(len(source.events) + 60)
        lose_what_is_under_way(source, sender, 120)
        source.wait_open(round_ + 2)
    check_every_one_once(source, sender)


def lose_what_is_under_way(source, sender, number):
    """Cuts the connection when the reader has not read so many messages that were sent to it."""
    source.hold()
    told = len(sender.stored)
    eventually(lambda: len(sender.stored) > told + number, within=30)
    source.cut()


def test_a_cut_loses_nothing_however_much_is_under_way(rest, listen, publisher, name):
    queue = name()
    path = rest.make(queue)
    source = listen(path + "/events", prefetch=100)
    sender = publisher(path + "/messages")
    source.wait(60)
    lose_what_is_under_way(source, sender, 150)
    source.wait_open(2)
    check_every_one_once(source, sender)


def test_a_reader_that_stops_reading_in_the_middle_loses_nothing(rest, listen, publisher, name):
    """As above with messages that fill every buffer between."""
    queue = name()
    path = rest.make(queue)
    source = listen(path + "/events", prefetch=2_000)
    rest.publish(queue, "00000")
    source.wait(1).hold()
    for number in range(1, 400):
        rest.publish(queue, f"{number:05}" + "x" * 40_000)
    source.cut()
    eventually(lambda: len(source.events) >= 400, within=60, what=f"400 events, not {len(source.events)}")
    assert [int(body[:5]) for body in source.bodies] == list(range(400))


def test_a_reader_is_asked_back_before_it_gets_more_than_its_prefetch(rest, listen, name):
    queue = name()
    path = rest.make(queue)
    for number in range(35):
        rest.publish(queue, str(number))
    source = listen(path + "/events", prefetch=10)
    assert source.wait(35).bodies == [str(number) for number in range(35)]
    assert source.opened == 4
    shown = rest.get(path).ok()
    left = shown["messages_ready"], shown["messages_unacknowledged"]
    assert left == (0, 5), "what it came back for is acknowledged, nothing else"


def test_a_reader_takes_over_from_its_own_connection_that_nobody_knows_to_be_broken(rest, listen, name):
    queue = name()
    path = rest.make(queue)
    first = listen(path + "/events")
    for number in range(3):
        rest.publish(queue, str(number))
    ids = first.wait(3).ids
    first.hold()
    again = EventSource(rest, path + "/events", last_event_id=ids[1]).wait_open()
    rest.publish(queue, "3")
    assert again.wait(2).bodies == ["2", "3"]
    again.close()


def test_a_queue_read_through_a_kill_loses_nothing(rest, broker, listen, publisher, name):
    """What was sent and not known to have arrived comes again: at least once."""
    queue = name()
    path = rest.make(queue)
    source = listen(path + "/events")
    sender = publisher(path + "/messages")
    source.wait(100)
    broker.kill()
    broker.start()
    source.wait_open(2).wait(len(source.events) + 100)
    sender.finish()
    eventually(lambda: set(map(str, sender.stored)) <= set(source.bodies), within=30)


def test_readers_of_one_queue_share_it_and_those_of_a_stream_each_get_all(rest, listen, name):
    queue, stream = name("queue"), name("stream")
    shared = [listen(rest.make(queue) + "/events"), None]
    shared[1] = listen(queue_path(queue) + "/events")
    rest.make(stream, kind="stream")
    each = [listen(queue_path(stream) + "/events", offset="first") for _ in range(2)]
    for number in range(20):
        rest.publish(queue, str(number))
        rest.publish(stream, str(number))
    eventually(lambda: len(shared[0].events) + len(shared[1].events) == 20)
    assert sorted(shared[0].bodies + shared[1].bodies, key=int) == [str(number) for number in range(20)]
    assert shared[0].events and shared[1].events
    assert each[0].wait(20).bodies == each[1].wait(20).bodies


def test_a_reader_that_does_not_read_holds_nobody_up(rest, listen, name):
    queue = name()
    path = rest.make(queue)
    slow, fast = listen(path + "/events", prefetch=10), listen(path + "/events")
    slow.hold()
    for _ in range(300):
        rest.publish(queue, b"x" * 60_000)
    # The slow one has at most what its socket takes, the other has the rest.
    fast.wait(120)


def test_an_event_is_one_message_as_pull_shows_it_without_a_lease(rest, listen, name):
    queue = name()
    path = rest.make(queue)
    source = listen(path + "/events")
    rest.publish(queue, "two\nlines\r\n:colon", headers={"Content-Type": "text/plain", "Chaski-Header-A": "b"}, message_id="m")
    message = source.wait(1).messages[0]
    assert message["body"] == "two\nlines\r\n:colon" and message["headers"] == {"a": "b"} and message["message_id"] == "m"
    assert "lease" not in message and message["content_type"] == "text/plain"


def test_the_reader_of_a_deleted_queue_is_told_its_end(rest, listen, name):
    queue = name()
    path = rest.make(queue)
    source = listen(path + "/events")
    rest.publish(queue, "last")
    source.wait(1)
    rest.delete(path).ok()
    assert source.wait(2).events[1][0] == "end"
    eventually(lambda: source.refused, what="coming back is refused")
    assert source.refused[0] == 404


def test_another_account_cannot_go_on_where_a_reader_stopped(rest, member, name):
    owner, stranger = member(), member()
    queue = name()
    path = owner.make(queue)
    source = EventSource(owner, path + "/events").wait_open()
    owner.publish(queue, "secret")
    last = source.wait(1).ids[0]
    source.close()
    thief = EventSource(stranger, path + "/events", last_event_id=last)
    eventually(lambda: thief.refused)
    assert thief.refused[0] == 404 and not thief.events


def test_a_silent_stream_beats_within_its_heartbeat(rest, listen, name):
    stream = name()
    quiet = [listen(rest.make(name()) + "/events"), listen(rest.make(stream, kind="stream") + "/events")]
    eventually(lambda: all(source.comments for source in quiet), within=15)
    assert all(source.opened == 1 and not source.events for source in quiet)


@pytest.mark.parametrize("kind, query, headers, status", [
    ("queue", {"prefetch": 0}, {}, 422), ("queue", {"prefetch": 10_001}, {}, 422), ("queue", {"prefetch": "many"}, {}, 400),
    ("queue", {"colour": "red"}, {}, 400), ("stream", {"offset": "yesterday"}, {}, 422),
    ("stream", {}, {"Last-Event-ID": "nonsense"}, 400), ("stream", {"last_event_id": "-1"}, {}, 400)], ids=str)
def test_a_wish_for_events_that_cannot_be_is_a_problem(rest, name, kind, query, headers, status):
    path = rest.make(name(), kind=kind)
    rest.get(path + "/events", headers=headers, **query).problem(status)


def test_events_of_what_is_not_there_are_404(rest, name):
    rest.get(queue_path(name()) + "/events").problem(404)
    rest.get(topic_path(name()) + "/events").problem(404)
