"""A queue over a WebSocket: acks, nacks, rejects, credit, what goes back when the socket closes, and what is not understood."""

import json

import pytest
import websocket

from clients import await_get
from harness.waiting import Stopwatch, eventually
from rest import REST_ONLY, queue_path

pytestmark = REST_ONLY


class Reader:
    """One socket as a reader uses it."""

    def __init__(self, rest, queue, within=10, **query):
        url = rest.broker.http_url.replace("http", "ws", 1) + queue_path(queue) + "/ws"
        if query:
            url += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        self.socket = websocket.create_connection(
            url, timeout=within, header=[f"Authorization: {rest.authorization}"], enable_multithread=False)

    def say(self, type_, **fields):
        self.socket.send(json.dumps({"type": type_, **fields}))

    def hear(self):
        return json.loads(self.socket.recv())

    def take(self, number):
        words = [self.hear() for _ in range(number)]
        assert {word["type"] for word in words} <= {"message"}, words
        return words

    def hears_nothing(self, seconds=0.3):
        """Nothing comes: what a word that is answered at once brings is only its own answer."""
        self.say("ack", tags=[999_999])
        assert self.hear() == {"type": "unknown", "tags": [999_999]}
        self.socket.settimeout(seconds)
        with pytest.raises(websocket.WebSocketTimeoutException):
            self.socket.recv()
        self.socket.settimeout(10)

    def end(self):
        """The code by which the server closes, and its reason."""
        frame = self.socket.recv_frame()
        while frame.opcode == websocket.ABNF.OPCODE_PING:
            frame = self.socket.recv_frame()
        assert frame.opcode == websocket.ABNF.OPCODE_CLOSE, frame
        return int.from_bytes(frame.data[:2], "big"), frame.data[2:].decode()

    def close(self):
        self.socket.close(timeout=1)


@pytest.fixture
def open_reader(rest):
    opened = []

    def opener(queue, reader=None, **options):
        opened.append(Reader(reader or rest, queue, **options))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


@pytest.fixture
def queue(rest, name):
    """A queue with the messages 0 to 4."""
    made = name("ws")
    rest.make(made)
    for number in range(5):
        rest.publish(made, str(number), headers={"Chaski-Header-N": str(number)})
    return made


def settled(rest, queue, ready, unacked):
    def is_so():
        shown = rest.show(queue)
        return (shown["messages_ready"], shown["messages_unacknowledged"]) == (ready, unacked)

    return eventually(is_so, what=f"{ready} ready and {unacked} unacknowledged")


def test_messages_come_in_order_with_tags_and_are_gone_when_acknowledged(rest, open_reader, queue):
    reader = open_reader(queue)
    words = reader.take(5)
    assert [word["body"] for word in words] == list("01234")
    assert [word["headers"]["n"] for word in words] == list("01234")
    assert len({word["tag"] for word in words}) == 5 and "lease" not in words[0]
    reader.say("ack", tags=[word["tag"] for word in words])
    assert settled(rest, queue, 0, 0)
    reader.close()
    assert rest.pull(queue, max=9) == []


def test_what_was_not_acknowledged_goes_back_in_order_when_the_socket_closes(rest, open_reader, queue):
    reader = open_reader(queue)
    words = reader.take(5)
    reader.say("ack", tags=[words[1]["tag"]])
    assert settled(rest, queue, 0, 4)
    reader.close()
    assert settled(rest, queue, 4, 0)
    again = rest.pull(queue, max=9)
    assert [(message["body"], message["redelivered"]) for message in again] == [(body, True) for body in "0234"]


def test_what_was_not_acknowledged_goes_back_when_the_peer_vanishes(rest, open_reader, queue):
    reader = open_reader(queue)
    reader.take(5)
    reader.socket.sock.close()
    assert settled(rest, queue, 5, 0)


def test_a_nack_brings_a_message_again_at_once_or_later_and_a_reject_never(rest, open_reader, queue):
    reader = open_reader(queue, prefetch=5)
    first, second, third, *_ = reader.take(5)
    reader.say("nack", tags=[first["tag"]])
    again = reader.hear()
    assert (again["body"], again["redelivered"]) == ("0", True)
    watch = Stopwatch()
    reader.say("nack", tags=[second["tag"]], delay_ms=400)
    assert reader.hear()["body"] == "1" and watch.seconds >= 0.39
    reader.say("reject", tags=[third["tag"]])
    assert settled(rest, queue, 0, 4)


def test_a_rejected_message_goes_to_the_dead_letters(rest, open_reader, name):
    source, dead = name("source"), name("dead")
    rest.make(dead)
    rest.make(source, settings={"dead_letter_exchange": "", "dead_letter_routing_key": dead})
    rest.publish(source, "unwanted")
    reader = open_reader(source)
    reader.say("reject", tags=[reader.hear()["tag"]])
    assert rest.take(dead)["headers"]["x-death"][0]["reason"] == "rejected"


def test_prefetch_holds_back_until_something_is_acknowledged(rest, open_reader, queue):
    reader = open_reader(queue, prefetch=2)
    words = reader.take(2)
    reader.hears_nothing()
    assert settled(rest, queue, 3, 2)
    reader.say("ack", tags=[words[0]["tag"]])
    assert reader.hear()["body"] == "2"
    reader.hears_nothing()


def test_credit_is_what_may_come_until_more_is_given(rest, open_reader, queue):
    reader = open_reader(queue, credit=2)
    words = reader.take(2)
    reader.say("ack", tags=[word["tag"] for word in words])
    reader.hears_nothing()
    reader.say("credit", credit=1)
    assert reader.hear()["body"] == "2"
    reader.hears_nothing()
    reader.say("credit", credit=10)
    assert [word["body"] for word in reader.take(2)] == ["3", "4"]
    # What is left of the credit holds for what comes later.
    rest.publish(queue, "5")
    assert reader.hear()["body"] == "5"


def test_no_credit_is_no_message_but_the_queue_is_still_free_for_others(rest, open_reader, queue):
    reader = open_reader(queue, credit=0, prefetch=1)
    reader.hears_nothing()
    assert len(rest.pull(queue, max=9)) >= 4
    reader.say("credit", credit=1)
    assert reader.hear()["body"] == "0"


def test_tags_that_are_not_held_are_named(open_reader, queue):
    reader = open_reader(queue)
    first = reader.take(5)[0]["tag"]
    reader.say("ack", tags=[first, first, 12_345])
    assert reader.hear() == {"type": "unknown", "tags": [first, 12_345]}


def test_a_tag_of_another_socket_settles_nothing_there(rest, open_reader, queue):
    one, other = open_reader(queue, prefetch=1), open_reader(queue, prefetch=1)
    tags = [one.hear()["tag"], other.hear()["tag"]]
    one.say("ack", tags=tags + [tags[0] + 1_000])
    one.hear()
    # At most the one that it held is settled, and it is sent the next.
    assert one.hear()["type"] == "message"
    assert rest.show(queue)["messages_unacknowledged"] == 2
    assert rest.show(queue)["messages_ready"] >= 2


def test_a_stream_is_read_from_an_offset(rest, open_reader, name):
    stream = name()
    rest.make(stream, kind="stream")
    for number in range(4):
        rest.publish(stream, str(number))
    assert [word["body"] for word in open_reader(stream, offset="first").take(4)] == list("0123")
    assert [word["body"] for word in open_reader(stream, offset="2").take(2)] == list("23")


def test_readers_over_a_socket_and_over_amqp_share_a_queue(rest, open_reader, channel, name):
    queue = name()
    rest.make(queue)
    reader = open_reader(queue, prefetch=1)
    rest.publish(queue, "socket")
    rest.publish(queue, "amqp")
    assert reader.hear()["body"] == "socket"
    assert await_get(channel, queue).text == "amqp"


def test_a_deleted_queue_closes_the_socket_with_a_reason(rest, open_reader, queue):
    reader = open_reader(queue)
    reader.take(5)
    rest.delete(queue_path(queue)).ok()
    code, reason = reader.end()
    assert code == 1001 and reason


@pytest.mark.parametrize("word", [
    "hello", "{}", '{"type":"dance"}', '{"type":"ack"}', '{"type":"ack","tags":"all"}', '{"type":"ack","tags":[-1]}', "[]",
    '{"type":"credit","credit":-1}', '{"type":"ack","tags":[1],"more":true}', ""])
def test_a_word_that_is_not_understood_closes_with_1008_and_says_why(rest, open_reader, queue, word):
    reader = open_reader(queue)
    reader.take(5)
    reader.socket.send(word)
    code, reason = reader.end()
    assert code == 1008 and reason
    assert settled(rest, queue, 5, 0)


def test_bytes_instead_of_text_close_with_1008(open_reader, queue):
    reader = open_reader(queue, credit=0)
    reader.socket.send_binary(b'{"type":"credit","credit":1}')
    assert reader.end()[0] == 1008


def test_the_server_waits_for_the_readers_close_before_it_hangs_up(open_reader, queue):
    reader = open_reader(queue, credit=0)
    reader.socket.send("what?")
    assert reader.end()[0] == 1008
    reader.socket.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        reader.socket.sock.recv(1)
    reader.socket.send_close(1000)
    reader.socket.sock.settimeout(10)
    assert reader.socket.sock.recv(1) == b""


def test_a_reader_that_ignores_the_servers_close_is_cut_off(open_reader, queue):
    reader = open_reader(queue, credit=0)
    reader.socket.send("what?")
    assert reader.end()[0] == 1008
    watch = Stopwatch()
    assert reader.socket.sock.recv(1) == b""
    assert watch.seconds < 5


def test_a_readers_close_is_answered(open_reader, queue):
    reader = open_reader(queue, credit=0)
    reader.socket.send_close(1000)
    assert reader.end()[0] == 1000
    assert reader.socket.sock.recv(1) == b""


def test_a_ping_is_answered(open_reader, queue):
    reader = open_reader(queue, credit=0)
    reader.socket.ping("are you there")
    opcode, data = reader.socket.recv_data(control_frame=True)
    while opcode == websocket.ABNF.OPCODE_PING:
        opcode, data = reader.socket.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"are you there")


def test_a_restart_closes_sockets_and_returns_what_they_held(rest, broker, open_reader, queue):
    reader = open_reader(queue)
    reader.take(5)
    broker.restart()
    with pytest.raises((websocket.WebSocketConnectionClosedException, OSError, AssertionError)):
        while reader.end()[0] != 1001:
            pass
        raise AssertionError("closed in an orderly way")
    assert settled(rest, queue, 5, 0)


@pytest.mark.parametrize("query, status", [
    ({"prefetch": 0}, 422), ({"prefetch": "x"}, 400), ({"credit": -1}, 400), ({"colour": "red"}, 400),
    ({"offset": "yesterday"}, 422)], ids=str)
def test_a_wish_that_cannot_be_is_refused_before_the_upgrade(rest, queue, query, status):
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    rest.get(queue_path(queue) + "/ws", headers=upgrade, **query).problem(status)


def test_a_request_without_an_upgrade_and_a_queue_that_is_missing_are_problems(rest, queue, name):
    answer = rest.get(queue_path(queue) + "/ws")
    answer.problem(400)
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Reader(rest, name())
    assert caught.value.status_code == 404
