"""Queues of type quorum (delivery limit, poison messages) and stream (an append-only log with offsets)."""

import datetime

import pytest

from clients import (PERSISTENT, Inbox, await_count, await_get, closes_channel, closes_connection,
                     differs_on_rabbitmq, drain, fence, get, publish)
from harness.waiting import eventually, pause


@pytest.fixture
def typed(connect, channel, name):
    """Declares a durable queue of a type, deleted at the end."""
    made = []

    def declarer(kind, **arguments):
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        queue = name(kind)
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind, **named})
        made.append(queue)
        return queue

    yield declarer
    cleaner = connect().channel()
    for queue in made:
        cleaner.queue_delete(queue)


@pytest.fixture
def confirmed(connection):
    """Publishes texts, each confirmed."""
    channel = connection.channel()
    channel.confirm_delivery()

    def publisher(queue, texts):
        for text in texts:
            channel.basic_publish("", queue, text.encode(), PERSISTENT)

    return publisher


# Quorum

def test_a_quorum_queue_keeps_order_and_counts_deliveries(channel, typed, confirmed):
    queue = typed("quorum")
    confirmed(queue, ["poison"])
    for turn in range(3):
        message = await_get(channel, queue, auto_ack=False)
        assert message.headers.get("x-delivery-count", 0) == turn
        assert message.redelivered == (turn > 0)
        channel.basic_nack(message.tag, requeue=True)


def test_a_message_past_the_delivery_limit_is_dead_lettered(channel, typed, confirmed):
    dead = channel.queue_declare("", exclusive=True).method.queue
    queue = typed("quorum", x_delivery_limit=2, x_dead_letter_exchange="", x_dead_letter_routing_key=dead)
    confirmed(queue, ["poison", "good"])
    inbox = Inbox(channel, queue)
    for turn in range(1, 4):
        inbox.wait(turn + 1)
        poison = [message for message in inbox.messages if message.text == "poison"]
        assert len(poison) == turn
        channel.basic_nack(poison[-1].tag, requeue=True)
    letter = await_get(channel, dead)
    assert letter.text == "poison"
    assert letter.headers["x-death"][0]["reason"] == "delivery_limit"
    assert inbox.texts.count("good") == 1


def test_a_message_past_the_delivery_limit_without_dead_letters_is_dropped(channel, typed, confirmed):
    queue = typed("quorum", x_delivery_limit=1)
    confirmed(queue, ["poison"])
    for _ in range(2):
        channel.basic_nack(await_get(channel, queue, auto_ack=False).tag, requeue=True)
    await_count(channel, queue, 0)
    assert get(channel, queue) is None


def test_a_closed_channel_counts_as_a_delivery(connect, channel, typed, confirmed):
    queue = typed("quorum", x_delivery_limit=5)
    confirmed(queue, ["x"])
    other = connect()
    await_get(other.channel(), queue, auto_ack=False)
    other.close()
    message = await_get(channel, queue)
    assert (message.headers["x-delivery-count"], message.redelivered) == (1, True)


def test_quorum_length_limit_and_expiry_work(channel, typed, confirmed):
    short = typed("quorum", x_max_length=2)
    confirmed(short, "abcd")
    await_count(channel, short, 2)
    assert drain(channel, short) == ["c", "d"]
    brief = typed("quorum", x_message_ttl=100)
    confirmed(brief, "a")
    await_count(channel, brief, 0)


@differs_on_rabbitmq("a quorum queue refuses a channel's shared prefetch with 540")
def test_quorum_queues_obey_a_shared_prefetch(connection, typed, confirmed):
    queue = typed("quorum")
    confirmed(queue, ["one", "two"])
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1, global_qos=True)
    inbox = Inbox(channel, queue)
    inbox.wait(1)
    fence(channel)
    assert inbox.texts == ["one"]
    channel.basic_ack(0, multiple=True)
    inbox.wait(2)


# Stream

def reader(connection, queue, offset=None, prefetch=100):
    """A consumer of the stream from the offset."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)
    return Inbox(channel, queue, arguments={} if offset is None else {"x-stream-offset": offset})


def offsets(inbox):
    return [message.headers["x-stream-offset"] for message in inbox.messages]


def test_many_readers_each_read_the_whole_stream(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, "abc")
    for _ in range(3):
        inbox = reader(connection, queue, "first")
        inbox.wait(3)
        assert inbox.texts == ["a", "b", "c"]
        assert offsets(inbox) == [0, 1, 2]
        inbox.ack_all()


def test_next_is_the_default_and_sees_only_what_comes(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, "ab")
    for offset in (None, "next"):
        inbox = reader(connection, queue, offset)
        fence(inbox.channel)
        confirmed(queue, ["new"])
        inbox.wait(1)
        assert inbox.texts == ["new"]
        inbox.channel.close()


def test_a_number_begins_at_that_offset(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, "abcdef")
    inbox = reader(connection, queue, 4)
    inbox.wait(2)
    assert (inbox.texts, offsets(inbox)) == (["e", "f"], [4, 5])


def test_a_number_beyond_the_end_waits_for_that_offset(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, "ab")
    inbox = reader(connection, queue, 4)
    fence(inbox.channel)
    confirmed(queue, "cdef")
    inbox.wait(2)
    assert inbox.texts == ["e", "f"]


def test_last_begins_with_the_last_chunk(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, "abc")
    inbox = reader(connection, queue, "last")
    inbox.wait(1)
    eventually(lambda: inbox.pump() or inbox.texts[-1] == "c")
    assert "".join(inbox.texts) in "abc"


def test_a_timestamp_begins_with_what_came_since(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, ["old"])
    pause(1.1)
    since = datetime.datetime.now(datetime.timezone.utc)
    pause(1.1)
    confirmed(queue, ["new"])
    inbox = reader(connection, queue, since)
    inbox.wait(1)
    assert inbox.texts == ["new"]
    everything = reader(connection, queue, datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc))
    everything.wait(2)
    assert everything.texts == ["old", "new"]


def test_acks_give_credit_and_do_not_remove(connection, typed, confirmed):
    queue = typed("stream")
    confirmed(queue, "abcdef")
    inbox = reader(connection, queue, "first", prefetch=2)
    inbox.wait(2)
    inbox.stays_at(2)
    inbox.ack_all()
    inbox.wait(4)
    inbox.channel.close()
    again = reader(connection, queue, "first")
    again.wait(6)
    assert again.texts == list("abcdef")


def test_a_reader_without_a_prefetch_is_406(connection, typed):
    with closes_channel(406, "PRECONDITION_FAILED", "prefetch"):
        connection.channel().basic_consume(typed("stream"), print, arguments={"x-stream-offset": "first"})


@differs_on_rabbitmq("the connection ends with 541 INTERNAL_ERROR")
@pytest.mark.parametrize("offset", ["middle", True, {"a": 1}])
def test_a_bad_offset_is_406(connection, typed, offset):
    with closes_channel(406, "PRECONDITION_FAILED"):
        reader(connection, typed("stream"), offset)


def test_get_and_purge_of_a_stream_are_540(connect, typed):
    queue = typed("stream")
    for operation in ("basic_get", "queue_purge"):
        with closes_connection(540, "NOT_IMPLEMENTED"):
            getattr(connect().channel(), operation)(queue)


def test_a_stream_is_filled_through_an_exchange_and_confirms(connection, channel, typed, name):
    queue, exchange = typed("stream"), name("feed")
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    channel.queue_bind(queue, exchange, "log.#")
    channel.confirm_delivery()
    for number in range(300):
        publish(channel, f"log.{number}", f"{number}", exchange=exchange, message_id=f"m-{number}", headers={"n": number})
    inbox = reader(connection, queue, "first", prefetch=500)
    inbox.wait(300)
    assert inbox.texts == [f"{number}" for number in range(300)]
    last = inbox.messages[-1]
    assert (last.properties.message_id, last.headers["n"], last.method.routing_key) == ("m-299", 299, "log.299")
    assert last.headers["x-stream-offset"] == 299


def test_retention_by_size_forgets_the_oldest_segments(connection, typed, confirmed):
    queue = typed("stream", x_max_length_bytes=100_000, x_stream_max_segment_size_bytes=20_000)
    for number in range(40):
        confirmed(queue, [f"{number:04}" + "x" * 10_000])

    def forgotten():
        inbox = reader(connection, queue, "first")
        inbox.wait(1)
        eventually(lambda: inbox.pump() or inbox.texts[-1].startswith("0039"))
        inbox.channel.close()
        numbers = [int(text[:4]) for text in inbox.texts]
        assert numbers == list(range(numbers[0], 40))
        return numbers[0] > 20 and offsets(inbox)[0] > 20

    eventually(forgotten)


@differs_on_rabbitmq("the connection ends with 541 INTERNAL_ERROR")
def test_a_bad_retention_age_is_406(channel, name):
    with closes_channel(406, "PRECONDITION_FAILED", "x-max-age"):
        channel.queue_declare(name(), durable=True, arguments={"x-queue-type": "stream", "x-max-age": "a while"})
