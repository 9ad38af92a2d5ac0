"""AMQP.md, 'Publishing': returns, confirms, user id, header types, bodies."""

import struct

import pika
import pytest
from pika.exceptions import ChannelWrongStateError, NackError, UnroutableError

from clients import PERSISTENT, Inbox, await_count, await_get, closes_channel, drain, fence, get, publish
from harness import wire
from harness.wire import Typed


def returned(link, channel=1):
    """The basic.return that is next on the link, with its content."""
    method = link.expect(channel, "basic.return")
    return method, *link.recv_content(channel)


# Mandatory and immediate

def test_a_mandatory_unroutable_message_comes_back_with_312(raw, name):
    link, key = raw().open(), name()
    link.publish(1, key, b"come back", mandatory=True, message_id="m-1", headers={"a": 1})
    method, properties, body = returned(link)
    assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE")
    assert (method.exchange, method.routing_key) == ("", key)
    assert (properties["message_id"], body) == ("m-1", b"come back")


def test_a_mandatory_message_that_is_routed_does_not_come_back(raw):
    link = raw().open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    link.publish(1, queue, mandatory=True)
    link.fence()


def test_an_unroutable_message_that_is_not_mandatory_is_dropped(raw, name):
    link = raw().open()
    link.publish(1, name())
    link.fence()


def test_the_return_comes_before_the_confirm(raw, name):
    link = raw().open()
    link.call(1, "confirm.select")
    link.publish(1, name(), b"x", mandatory=True)
    returned(link)
    assert link.expect(1, "basic.ack").delivery_tag == 1


def test_in_a_transaction_the_return_comes_at_the_commit(raw, name):
    link = raw().open()
    link.call(1, "tx.select")
    link.publish(1, name(), b"x", mandatory=True)
    link.fence()
    link.send(1, "tx.commit")
    returned(link)
    link.expect(1, "tx.commit-ok")


def test_pika_reports_an_unroutable_message(channel, name):
    channel.confirm_delivery()
    with pytest.raises(UnroutableError):
        channel.basic_publish("", name(), b"", mandatory=True)


def test_immediate_is_540(raw):
    link = raw().open()
    link.publish(1, "key", immediate=True)
    assert "NOT_IMPLEMENTED" in link.expect_closed(540).reply_text


# Confirms

def await_confirms(link, number, channel=1):
    """Collects acks until tags 1 to `number` are each confirmed exactly once; returns the nacked."""
    open_tags, nacked = set(range(1, number + 1)), set()
    while open_tags:
        method = link.expect(channel, "basic.ack", "basic.nack")
        tags = {tag for tag in open_tags if tag <= method.delivery_tag} if method.multiple else {method.delivery_tag}
        assert tags and tags <= open_tags, f"{method} confirms what is not open"
        open_tags -= tags
        if method.name == "basic.nack":
            nacked |= tags
    return nacked


CONFIRMED = {
    "persistent on a durable queue": {"durable": True, "delivery_mode": 2},
    "transient on a durable queue": {"durable": True, "delivery_mode": 1},
    "persistent on a transient queue": {"durable": False, "delivery_mode": 2},
    "transient on a transient queue": {"durable": False, "delivery_mode": 1},
    "expired at once": {"durable": True, "arguments": {"x-message-ttl": 0}},
    "dropped by the length limit": {"durable": True, "arguments": {"x-max-length": 0}},
    "dead-lettered at once": {"arguments": {"x-message-ttl": 0, "x-dead-letter-exchange": "amq.fanout"}},
    "quorum": {"durable": True, "arguments": {"x-queue-type": "quorum"}, "delivery_mode": 2},
}


@pytest.mark.parametrize("case", CONFIRMED)
def test_every_message_is_confirmed_once(raw, name, case):
    options = dict(CONFIRMED[case])
    properties = {key: options.pop(key) for key in ["delivery_mode"] if key in options}
    link, queue = raw().open(channels=2), name()
    link.call(2, "queue.declare", queue=queue, **options)
    link.call(1, "confirm.select")
    for _ in range(200):
        link.publish(1, queue, b"body", **properties)
    assert await_confirms(link, 200) == set()
    link.call(2, "queue.delete", queue=queue)


def test_unroutable_and_widely_routed_messages_are_confirmed(raw, name):
    link = raw().open(channels=2)
    for _ in range(5):
        queue = link.call(2, "queue.declare", exclusive=True).queue
        link.call(2, "queue.bind", queue=queue, exchange="amq.topic", routing_key="wide.#")
    link.call(1, "confirm.select")
    for number in range(100):
        link.publish(1, "wide.x" if number % 2 else name(), exchange="amq.topic", delivery_mode=2)
    assert await_confirms(link, 100) == set()


@pytest.mark.parametrize("what", ["queue.purge", "queue.delete"])
def test_messages_that_are_purged_or_deleted_meanwhile_are_confirmed(raw, name, what):
    link, queue = raw().open(), name()
    link.call(1, "queue.declare", queue=queue, durable=True)
    link.call(1, "confirm.select")
    for _ in range(300):
        link.publish(1, queue, b"body", delivery_mode=2)
    raw().open().send(1, what, queue=queue)
    assert await_confirms(link, 300) == set()
    raw().open().call(1, "queue.delete", queue=queue)


@pytest.mark.parametrize("answer", ["ack", "reject", "requeue"])
def test_consumed_rejected_and_recovered_messages_are_confirmed(connect, raw, name, answer):
    link, queue = raw().open(), name()
    link.call(1, "queue.declare", queue=queue, durable=True)
    link.call(1, "confirm.select")
    consumer = connect().channel()
    inbox = Inbox(consumer, queue)
    for _ in range(100):
        link.publish(1, queue, b"body", delivery_mode=2)
    inbox.wait(100)
    if answer == "ack":
        inbox.ack_all()
    elif answer == "reject":
        consumer.basic_nack(0, multiple=True, requeue=False)
    else:
        consumer.basic_recover(requeue=True)
    assert await_confirms(link, 100) == set()
    raw().open().call(1, "queue.delete", queue=queue)


def test_twenty_thousand_confirms_with_purges_between(connect, name):
    connection, queue = connect(), name()
    channel, purger = connection.channel(), connection.channel()
    channel.queue_declare(queue, durable=True)
    acked = [0, 0]

    def take(frame):
        method = frame.method
        acked[0] += method.delivery_tag - acked[1] if method.multiple else 1
        acked[1] = max(acked[1], method.delivery_tag)

    # The blocking adapter waits for each confirm; its inner channel hands them over as they come.
    channel._impl.confirm_delivery(take, callback=lambda _frame: None)
    for number in range(20_000):
        channel._impl.basic_publish("", queue, b"body", PERSISTENT)
        if number % 2_500 == 0:
            purger.queue_purge(queue)
    while acked[1] < 20_000:
        connection.process_data_events(1)
    connection.channel().queue_delete(queue)


def test_confirm_tags_begin_at_one_on_each_channel(raw):
    link = raw().open(channels=2)
    for number in (1, 2):
        link.call(number, "confirm.select")
        link.publish(number, "nowhere")
        assert link.expect(number, "basic.ack").delivery_tag == 1


def test_confirm_select_twice_is_ok_and_nowait_has_no_answer(raw):
    link = raw().open()
    link.send(1, "confirm.select", nowait=True)
    link.call(1, "confirm.select")
    link.publish(1, "nowhere")
    assert link.expect(1, "basic.ack").delivery_tag == 1


@pytest.mark.parametrize("first, second", [("tx.select", "confirm.select"), ("confirm.select", "tx.select")])
def test_confirm_and_transaction_exclude_each_other_with_406(raw, first, second):
    link = raw().open()
    link.call(1, first)
    link.send(1, second)
    assert "PRECONDITION_FAILED" in link.expect_closed(406, "channel").reply_text


def test_pika_reports_a_nack(channel):
    queue = channel.queue_declare("", exclusive=True, arguments={
        "x-max-length": 1, "x-overflow": "reject-publish"}).method.queue
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"fits")
    with pytest.raises(NackError):
        channel.basic_publish("", queue, b"does not")


# Properties and bodies

def test_a_user_id_must_be_the_connections_user(channel, broker):
    queue = channel.queue_declare("", exclusive=True).method.queue
    publish(channel, queue, "mine", user_id=broker.username)
    assert get(channel, queue).properties.user_id == broker.username
    with closes_channel(406, "PRECONDITION_FAILED", "user_id", "somebody"):
        publish(channel, queue, "forged", user_id="somebody")
        fence(channel)


@pytest.mark.operated
def test_an_impersonator_may_send_as_another(connect, user, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    account = user(".*", ".*", ".*", tags=["impersonator"])
    publish(connect(account, "secret").channel(), queue, "as another", user_id="somebody")
    assert await_get(channel, queue).properties.user_id == "somebody"


ALL_TYPES = {
    "long string": Typed("S", b"text \x00\xff"),
    "int": Typed("I", -2**31),
    "decimal": Typed("D", (2, -12345)),
    "timestamp": Typed("T", 1_700_000_000),
    "table": Typed("F", {"inner": Typed("I", 1), "deeper": Typed("F", {})}),
    "byte": Typed("b", -128),
    "double": Typed("d", 1.5e300),
    "float": Typed("f", struct.unpack(">f", b"\x3f\x9d\xf3\xb6")[0]),
    "long": Typed("l", -2**63),
    "short": Typed("s", -32768),
    "true": Typed("t", True),
    "false": Typed("t", False),
    "bytes": Typed("x", b"\x00\x01\xfe"),
    "void": Typed("V", None),
    "array": Typed("A", [Typed("I", 1), Typed("S", b"two"), Typed("A", []), Typed("F", {"x": Typed("V", None)})]),
}


def test_every_header_type_survives_a_round_trip(raw):
    link = raw().open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    link.publish(1, queue, headers=ALL_TYPES)
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    assert link.recv_content(1)[0]["headers"] == ALL_TYPES


def test_every_property_survives_a_round_trip(channel, broker):
    queue = channel.queue_declare("", exclusive=True).method.queue
    sent = pika.BasicProperties(
        content_type="text/plain", content_encoding="utf-8", headers={"a": 1}, delivery_mode=2, priority=7,
        correlation_id="c", reply_to="r", expiration="60000", message_id="m", timestamp=1_700_000_000, type="t",
        user_id=broker.username, app_id="app", cluster_id="cluster")
    channel.basic_publish("", queue, b"body", sent)
    assert get(channel, queue).properties == sent


def test_a_message_without_properties_arrives_without(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    publish(channel, queue, "bare")
    assert get(channel, queue).properties == pika.BasicProperties()


@pytest.mark.parametrize("size", [0, 1, 4087, 4088, 4089, 131064, 131065, 2 * 131072, 3_000_000])
def test_a_body_of_any_size_arrives_whole(channel, size):
    queue = channel.queue_declare("", exclusive=True).method.queue
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    channel.basic_publish("", queue, body)
    assert get(channel, queue).body == body


def test_an_empty_body_frame_and_tiny_body_frames_are_understood(raw):
    link = raw().open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    link.send(1, "basic.publish", routing_key=queue)
    link.send_frame(wire.HEADER, 1, wire.content_header(3))
    for part in (b"a", b"b", b"c"):
        link.send_frame(wire.BODY, 1, part)
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    assert link.recv_content(1)[1] == b"abc"


def test_content_on_two_channels_may_interleave(raw):
    link = raw().open(channels=2)
    queue = link.call(1, "queue.declare", exclusive=True).queue
    for number in (1, 2):
        link.send(number, "basic.publish", routing_key=queue)
    for number in (1, 2):
        link.send_frame(wire.HEADER, number, wire.content_header(2))
    for number in (2, 1):
        link.send_frame(wire.BODY, number, b"xy"[:1])
    for number in (2, 1):
        link.send_frame(wire.BODY, number, str(number).encode())
    for expected in (b"x2", b"x1"):
        link.send(1, "basic.get", queue=queue, no_ack=True)
        link.expect(1, "basic.get-ok")
        assert link.recv_content(1)[1] == expected


def test_publishing_on_a_closed_channel_is_refused_by_the_client(channel):
    channel.close()
    with pytest.raises(ChannelWrongStateError):
        channel.basic_publish("", "key", b"")


def test_order_is_kept_from_one_publisher(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    for number in range(2000):
        publish(channel, queue, f"{number}")
    await_count(channel, queue, 2000)
    assert drain(channel, queue) == [f"{number}" for number in range(2000)]
