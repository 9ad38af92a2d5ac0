"""AMQP.md, 'Consuming': deliveries, cancels, acknowledgements, prefetch, consumer priorities, direct reply-to."""

from collections import Counter

import pytest
from pika.exceptions import ChannelClosedByBroker

from clients import Inbox, await_count, await_get, closes_channel, closes_connection, drain, fence, publish
from harness.waiting import eventually

QUEUE_TYPES = ["classic", "quorum"]


@pytest.fixture
def queue(channel):
    return channel.queue_declare("", exclusive=True).method.queue


@pytest.fixture(params=QUEUE_TYPES)
def typed_queue(request, channel, name):
    """A durable queue of each type."""
    made = name(request.param)
    channel.queue_declare(made, durable=True, arguments={"x-queue-type": request.param})
    yield made
    channel.connection.channel().queue_delete(made)


def fill(channel, queue, texts):
    for text in texts:
        publish(channel, queue, text)


# Consume and cancel

def test_consume_ok_precedes_deliveries(raw):
    link = raw().open()
    made = link.call(1, "queue.declare", exclusive=True).queue
    link.publish(1, made, b"waiting")
    ok = link.call(1, "basic.consume", queue=made, consumer_tag="mine", no_ack=True)
    assert ok.consumer_tag == "mine"
    delivery = link.expect(1, "basic.deliver")
    assert (delivery.consumer_tag, delivery.delivery_tag, delivery.redelivered) == ("mine", 1, False)
    assert (delivery.exchange, delivery.routing_key) == ("", made)
    assert link.recv_content(1)[1] == b"waiting"


def test_consume_nowait_has_no_answer(raw):
    link = raw().open()
    made = link.call(1, "queue.declare", exclusive=True).queue
    link.send(1, "basic.consume", queue=made, consumer_tag="mine", nowait=True)
    link.publish(1, made, b"x")
    assert link.expect(1, "basic.deliver").consumer_tag == "mine"


def test_the_server_makes_different_consumer_tags(raw):
    link = raw().open()
    made = link.call(1, "queue.declare", exclusive=True).queue
    tags = {link.call(1, "basic.consume", queue=made).consumer_tag for _ in range(10)}
    assert len(tags) == 10 and all(tag.startswith("amq.ctag-") for tag in tags)


def test_a_consumer_tag_used_twice_on_a_channel_is_530(raw):
    link = raw().open()
    made = link.call(1, "queue.declare", exclusive=True).queue
    link.call(1, "basic.consume", queue=made, consumer_tag="mine")
    link.send(1, "basic.consume", queue=made, consumer_tag="mine")
    assert "NOT_ALLOWED" in link.expect_closed(530).reply_text


def test_the_same_consumer_tag_may_serve_on_two_channels(raw):
    link = raw().open(channels=2)
    made = link.call(1, "queue.declare", exclusive=True).queue
    for number in (1, 2):
        link.call(number, "basic.consume", queue=made, consumer_tag="mine")


def test_consuming_an_unknown_queue_is_404(channel, name):
    with closes_channel(404, "NOT_FOUND"):
        channel.basic_consume(name(), print)


def test_an_exclusive_consumer_keeps_others_out_with_403(connection, channel, queue):
    channel.basic_consume(queue, print, exclusive=True)
    with closes_channel(403, "ACCESS_REFUSED", "exclusive"):
        connection.channel().basic_consume(queue, print)


def test_an_exclusive_consumer_is_refused_where_others_are(connection, channel, queue):
    channel.basic_consume(queue, print)
    with closes_channel(403, "ACCESS_REFUSED"):
        connection.channel().basic_consume(queue, print, exclusive=True)


def test_cancel_stops_deliveries_and_unacked_stay_unacked_until_close(connection, queue, channel):
    consumer = connection.channel()
    inbox = Inbox(consumer, queue)
    fill(channel, queue, "ab")
    inbox.wait(2)
    consumer.basic_cancel(inbox.tag)
    fill(channel, queue, "c")
    await_count(channel, queue, 1)
    consumer.basic_ack(inbox.messages[0].tag)
    consumer.close()
    await_count(channel, queue, 2)
    assert drain(channel, queue) == ["b", "c"]


def test_cancelling_an_unknown_consumer_is_ok(raw):
    assert raw().open().call(1, "basic.cancel", consumer_tag="unknown").consumer_tag == "unknown"


def test_the_client_is_told_when_its_queue_is_deleted(raw, connection, name):
    made = name()
    link = raw().open(capabilities=["consumer_cancel_notify"])
    link.call(1, "queue.declare", queue=made)
    link.call(1, "basic.consume", queue=made, consumer_tag="mine")
    connection.channel().queue_delete(made)
    assert link.expect(1, "basic.cancel").consumer_tag == "mine"
    link.fence()


def test_a_client_without_the_capability_is_not_told(raw, connection, name):
    made = name()
    link = raw().open()
    link.call(1, "queue.declare", queue=made)
    link.call(1, "basic.consume", queue=made, consumer_tag="mine")
    connection.channel().queue_delete(made)
    link.fence()


def test_pika_passes_the_cancel_notification_on(connection, channel, name):
    made, cancelled = name(), []
    channel.queue_declare(made)
    channel.add_on_cancel_callback(cancelled.append)
    channel.basic_consume(made, print)
    connection.channel().queue_delete(made)
    eventually(lambda: connection.process_data_events(0.01) or cancelled)


# Consumer priorities and single active consumer

@pytest.mark.parametrize("value", ["high", True, {"a": 1}])
def test_a_consumer_priority_that_is_no_integer_is_406(channel, queue, value):
    with closes_channel(406, "PRECONDITION_FAILED", "x-priority"):
        channel.basic_consume(queue, print, arguments={"x-priority": value})


def prioritised(connection, queue, priorities, prefetch=1):
    """Consumers of those priorities, each on a channel with that prefetch."""
    inboxes = []
    for priority in priorities:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        inboxes.append(Inbox(channel, queue, arguments={"x-priority": priority}))
    return inboxes


def test_the_higher_priority_is_served_first_and_falls_through_when_blocked(connection, channel, queue):
    low, high, middle = prioritised(connection, queue, [-1, 10, 5])
    fill(channel, queue, "abc")
    low.wait(1)
    assert (high.texts, middle.texts, low.texts) == (["a"], ["b"], ["c"])
    for inbox in (low, middle, high):
        inbox.ack_all()
        fence(inbox.channel)
    fill(channel, queue, "d")
    high.wait(2)
    assert (high.texts, middle.texts, low.texts) == (["a", "d"], ["b"], ["c"])


def test_the_lower_priority_takes_over_when_the_higher_is_gone(connection, channel, queue):
    low, high = prioritised(connection, queue, [0, 1], prefetch=0)
    fill(channel, queue, "ab")
    high.wait(2)
    assert low.texts == []
    high.ack_all()
    high.channel.close()
    fill(channel, queue, "c")
    low.wait(1)
    assert low.texts == ["c"]


@pytest.mark.parametrize("kind", QUEUE_TYPES)
def test_only_one_consumer_is_active_and_the_next_takes_over_in_order(connection, channel, name, kind):
    made = name()
    channel.queue_declare(made, durable=True, arguments={"x-queue-type": kind, "x-single-active-consumer": True})
    first, second = (Inbox(connection.channel(), made) for _ in range(2))
    fill(channel, made, "abcd")
    first.wait(4)
    assert second.texts == []
    first.channel.basic_ack(first.messages[1].tag, multiple=True)
    fence(first.channel)
    first.channel.close()
    second.wait(2)
    fill(channel, made, "e")
    second.wait(3)
    assert second.texts == ["c", "d", "e"]
    assert [message.redelivered for message in second.messages] == [True, True, False]
    channel.queue_delete(made)


def test_an_exclusive_consumer_of_a_single_active_consumer_queue_is_403(channel, name):
    made = name()
    channel.queue_declare(made, exclusive=True, arguments={"x-single-active-consumer": True})
    with closes_channel(403, "ACCESS_REFUSED"):
        channel.basic_consume(made, print, exclusive=True)


# Get

def test_get_tells_the_remaining_count_and_when_there_is_none(channel, queue):
    fill(channel, queue, "abc")
    assert [await_get(channel, queue).method.message_count for _ in range(3)] == [2, 1, 0]
    assert channel.basic_get(queue) == (None, None, None)


def test_get_of_an_unknown_queue_is_404(channel, name):
    with closes_channel(404, "NOT_FOUND"):
        channel.basic_get(name())


# Acknowledgements

UNKNOWN_TAG = {
    "ack": lambda channel: channel.basic_ack(99),
    "ack multiple": lambda channel: channel.basic_ack(99, multiple=True),
    "nack": lambda channel: channel.basic_nack(99),
    "reject": lambda channel: channel.basic_reject(99),
    "nack multiple": lambda channel: channel.basic_nack(99, multiple=True),
}


@pytest.mark.parametrize("how", UNKNOWN_TAG)
def test_an_unknown_tag_is_406(channel, how):
    with closes_channel(406, "PRECONDITION_FAILED", "unknown delivery tag 99"):
        UNKNOWN_TAG[how](channel)
        fence(channel)


@pytest.mark.parametrize("first", ["ack", "nack", "reject"])
@pytest.mark.parametrize("second", ["ack", "nack", "reject"])
def test_a_repeated_tag_is_406(channel, typed_queue, first, second):
    publish(channel, typed_queue)
    tag = await_get(channel, typed_queue, auto_ack=False).tag
    with closes_channel(406, "PRECONDITION_FAILED", f"unknown delivery tag {tag}"):
        for how in (first, second):
            getattr(channel, f"basic_{how}")(tag)
        fence(channel)


def test_tags_belong_to_their_channel(connection, channel, queue):
    publish(channel, queue)
    tag = await_get(channel, queue, auto_ack=False).tag
    with closes_channel(406, "unknown delivery tag"):
        other = connection.channel()
        other.basic_ack(tag)
        fence(other)


def test_ack_of_several_and_single(channel, typed_queue):
    fill(channel, typed_queue, "abcde")
    tags = [await_get(channel, typed_queue, auto_ack=False).tag for _ in range(5)]
    channel.basic_ack(tags[1], multiple=True)
    channel.basic_ack(tags[3])
    channel.basic_nack(0, multiple=True, requeue=True)
    await_count(channel, typed_queue, 2)
    assert drain(channel, typed_queue) == ["c", "e"]


def test_nack_zero_multiple_means_all_and_requeues_in_order_as_redelivered(channel, queue):
    fill(channel, queue, "abcd")
    for _ in range(3):
        await_get(channel, queue, auto_ack=False)
    channel.basic_nack(0, multiple=True, requeue=True)
    got = [await_get(channel, queue) for _ in range(4)]
    assert [message.text for message in got] == ["a", "b", "c", "d"]
    assert [message.redelivered for message in got] == [True, True, True, False]


def test_quorum_requeues_all_as_redelivered(channel, name):
    made = name()
    channel.queue_declare(made, durable=True, arguments={"x-queue-type": "quorum"})
    fill(channel, made, "abc")
    for _ in range(3):
        await_get(channel, made, auto_ack=False)
    channel.basic_nack(0, multiple=True, requeue=True)
    got = [await_get(channel, made) for _ in range(3)]
    assert sorted(message.text for message in got) == ["a", "b", "c"]
    assert all(message.redelivered for message in got)
    channel.queue_delete(made)


def test_a_rejected_message_goes_back_to_its_place(channel, queue):
    fill(channel, queue, "abc")
    first, second = (await_get(channel, queue, auto_ack=False) for _ in range(2))
    channel.basic_reject(second.tag, requeue=True)
    channel.basic_reject(first.tag, requeue=True)
    assert drain(channel, queue) == ["a", "b", "c"]


def test_recover_brings_all_unacked_again_redelivered(channel, queue):
    fill(channel, queue, "ab")
    inbox = Inbox(channel, queue)
    inbox.wait(2)
    channel.basic_recover(requeue=True)
    inbox.wait(4)
    assert inbox.texts == ["a", "b", "a", "b"]
    assert [message.redelivered for message in inbox.messages] == [False, False, True, True]
    assert [message.tag for message in inbox.messages] == [1, 2, 3, 4]


def test_recover_without_requeue_is_540(raw):
    link = raw().open()
    link.send(1, "basic.recover", requeue=False)
    assert "NOT_IMPLEMENTED" in link.expect_closed(540).reply_text


def test_recover_async_has_no_answer(raw):
    link = raw().open()
    made = link.call(1, "queue.declare", exclusive=True).queue
    link.publish(1, made, b"x")
    link.send(1, "basic.get", queue=made)
    link.expect(1, "basic.get-ok")
    link.recv_content(1)
    link.send(1, "basic.recover-async", requeue=True)
    link.send(1, "basic.get", queue=made)
    assert link.expect(1, "basic.get-ok").redelivered is True


@pytest.mark.parametrize("what", ["channel", "connection"])
def test_closing_requeues_unacked_in_order(connect, channel, name, what):
    made, other = name(), connect()
    channel.queue_declare(made)
    consumer = other.channel()
    fill(channel, made, "abcdef")
    inbox = Inbox(consumer, made)
    inbox.wait(6)
    consumer.basic_ack(inbox.messages[1].tag)
    fence(consumer)
    (consumer if what == "channel" else other).close()
    await_count(channel, made, 5)
    got = [await_get(channel, made) for _ in range(5)]
    assert [message.text for message in got] == ["a", "c", "d", "e", "f"]
    assert all(message.redelivered for message in got)


def test_a_cut_connection_requeues_what_is_in_flight_to_a_cancelled_consumer(raw, channel, name):
    made = name()
    channel.queue_declare(made)
    fill(channel, made, "abc")
    link = raw().open()
    link.call(1, "basic.consume", queue=made, consumer_tag="mine")
    for _ in range(3):
        link.expect(1, "basic.deliver")
        link.recv_content(1)
    link.call(1, "basic.cancel", consumer_tag="mine")
    link.close()
    await_count(channel, made, 3)
    assert drain(channel, made) == ["a", "b", "c"]


# Prefetch

def test_prefetch_size_is_540(connection, channel):
    with closes_connection(540, "NOT_IMPLEMENTED"):
        channel.basic_qos(prefetch_size=10)


def test_a_prefetch_is_for_each_new_consumer(connection, queue, channel):
    consumer = connection.channel()
    fill(channel, queue, "abcdefgh")
    consumer.basic_qos(prefetch_count=2)
    first = Inbox(consumer, queue)
    consumer.basic_qos(prefetch_count=3)
    second = Inbox(consumer, queue)
    second.wait(3)
    first.stays_at(2)
    second.stays_at(3)
    first.channel.basic_ack(first.messages[0].tag)
    first.wait(3)
    first.stays_at(3)


def test_a_global_prefetch_is_shared_by_the_channel(connection, queue, channel):
    consumer = connection.channel()
    fill(channel, queue, "abcdefgh")
    consumer.basic_qos(prefetch_count=3, global_qos=True)
    first, second = Inbox(consumer, queue), Inbox(consumer, queue)
    eventually(lambda: first.pump() or len(first.messages) + len(second.messages) == 3)
    total = len(first.messages)
    first.stays_at(total)
    second.stays_at(3 - total)


def test_a_global_prefetch_changes_at_once_up_and_down_and_to_none(connection, queue, channel):
    consumer = connection.channel()
    fill(channel, queue, [f"{number}" for number in range(20)])
    consumer.basic_qos(prefetch_count=2, global_qos=True)
    inbox = Inbox(consumer, queue)
    inbox.wait(2)
    inbox.stays_at(2)
    consumer.basic_qos(prefetch_count=5, global_qos=True)
    inbox.wait(5)
    inbox.stays_at(5)
    consumer.basic_qos(prefetch_count=3, global_qos=True)
    consumer.basic_ack(inbox.messages[1].tag, multiple=True)
    inbox.stays_at(5)
    consumer.basic_ack(inbox.messages[2].tag)
    inbox.wait(6)
    inbox.stays_at(6)
    consumer.basic_qos(prefetch_count=0, global_qos=True)
    inbox.wait(20)


def test_both_prefetches_hold_together(connection, queue, channel):
    consumer = connection.channel()
    fill(channel, queue, "abcdefgh")
    consumer.basic_qos(prefetch_count=2)
    consumer.basic_qos(prefetch_count=3, global_qos=True)
    first, second = Inbox(consumer, queue), Inbox(consumer, queue)
    eventually(lambda: first.pump() or len(first.messages) + len(second.messages) == 3)
    assert max(len(first.messages), len(second.messages)) == 2
    first.stays_at(len(first.messages))


def test_no_ack_consumers_ignore_the_prefetch(connection, queue, channel):
    consumer = connection.channel()
    consumer.basic_qos(prefetch_count=1)
    fill(channel, queue, "abcde")
    Inbox(consumer, queue, auto_ack=True).wait(5)


def test_a_no_ack_consumer_obeys_a_full_channel_limit(connection, queue, channel):
    consumer = connection.channel()
    consumer.basic_qos(prefetch_count=1, global_qos=True)
    fill(channel, queue, "abc")
    acked = Inbox(consumer, queue)
    acked.wait(1)
    unacked = Inbox(consumer, queue, auto_ack=True)
    unacked.stays_at(0)
    acked.ack_all()
    consumer.basic_cancel(acked.tag)
    eventually(lambda: unacked.pump() or len(acked.messages) + len(unacked.messages) == 3)


@pytest.mark.parametrize("how", ["ack", "nack", "reject", "recover"])
def test_every_answer_frees_the_prefetch(connection, channel, name, how):
    made = name()
    channel.queue_declare(made, exclusive=True)
    consumer = connection.channel()
    consumer.basic_qos(prefetch_count=1)
    fill(channel, made, "ab")
    inbox = Inbox(consumer, made)
    inbox.wait(1)
    if how == "recover":
        consumer.basic_recover(requeue=True)
    else:
        getattr(consumer, f"basic_{how}")(inbox.messages[0].tag, **({} if how == "ack" else {"requeue": False}))
    inbox.wait(2)
    assert inbox.texts == (["a", "a"] if how == "recover" else ["a", "b"])


def test_got_messages_do_not_count_per_consumer(connection, queue, channel):
    consumer = connection.channel()
    consumer.basic_qos(prefetch_count=1)
    fill(channel, queue, "abc")
    assert await_get(consumer, queue, auto_ack=False).text == "a"
    inbox = Inbox(consumer, queue)
    inbox.wait(1)
    inbox.stays_at(1)


def test_no_queue_starves_with_a_global_prefetch_of_one(connection, channel):
    consumer = connection.channel()
    consumer.basic_qos(prefetch_count=1, global_qos=True)
    queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
    for made in queues:
        fill(channel, made, ["x"] * 60)
    served = Counter()

    def take(_channel, method, _properties, _body):
        served[method.consumer_tag] += 1
        consumer.basic_ack(method.delivery_tag)

    tags = [consumer.basic_consume(made, take) for made in queues]
    eventually(lambda: connection.process_data_events(0.01) or sum(served.values()) >= 90)
    assert all(served[tag] >= 10 for tag in tags), served


def test_two_consumers_of_one_channel_both_get_some(connection, channel, queue):
    consumer = connection.channel()
    consumer.basic_qos(prefetch_count=1)
    inboxes = [Inbox(consumer, queue) for _ in range(2)]
    fill(channel, queue, "ab")
    for inbox in inboxes:
        inbox.wait(1)


def test_messages_are_dealt_in_turn_among_equal_consumers(connection, channel, queue):
    inboxes = [Inbox(connection.channel(), queue, auto_ack=True) for _ in range(3)]
    fill(channel, queue, [f"{number}" for number in range(9)])
    for inbox in inboxes:
        inbox.wait(3)
    assert sorted(len(inbox.messages) for inbox in inboxes) == [3, 3, 3]


# Direct reply-to

REPLY = "amq.rabbitmq.reply-to"


def test_a_reply_comes_straight_back_to_the_requester(connect, channel, queue):
    requester = connect().channel()
    answers = Inbox(requester, REPLY, auto_ack=True)
    publish(requester, queue, "question", reply_to=REPLY, correlation_id="7")
    question = await_get(channel, queue)
    name = question.properties.reply_to
    assert name.startswith(REPLY + ".")
    channel.queue_declare(name, passive=True)
    publish(channel, name, "answer", correlation_id=question.properties.correlation_id)
    (answer,) = answers.wait(1)
    assert (answer.text, answer.properties.correlation_id) == ("answer", "7")
    assert (answer.method.exchange, answer.method.routing_key) == ("", name)


def test_consuming_replies_with_acks_is_406(channel):
    with closes_channel(406, "PRECONDITION_FAILED"):
        channel.basic_consume(REPLY, print, auto_ack=False)


def test_consuming_replies_twice_on_a_channel_is_406(channel):
    channel.basic_consume(REPLY, print, auto_ack=True)
    with closes_channel(406, "PRECONDITION_FAILED"):
        channel.basic_consume(REPLY, print, auto_ack=True)


def test_asking_for_a_reply_without_consuming_replies_is_406(channel, queue):
    with closes_channel(406, "PRECONDITION_FAILED"):
        publish(channel, queue, "question", reply_to=REPLY)
        fence(channel)


def test_a_reply_name_is_gone_with_its_channel_and_a_forged_one_never_was(connect, connection, channel, queue):
    requester = connect().channel()
    Inbox(requester, REPLY, auto_ack=True)
    publish(requester, queue, "question", reply_to=REPLY)
    name = await_get(channel, queue).properties.reply_to
    requester.close()

    def alive(each):
        try:
            connection.channel().queue_declare(each, passive=True)
        except ChannelClosedByBroker as error:
            assert error.reply_code == 404, error
            return False
        return True

    eventually(lambda: not alive(name))
    assert not alive(REPLY + ".forged")
    assert not alive(name[:-4] + "AAAA")
    publish(channel, REPLY + ".forged", "into the void")
    publish(channel, name, "too late")
    fence(channel)


def test_a_reply_consumer_that_is_cancelled_and_consumed_again_works(connect, channel, queue):
    requester = connect().channel()
    requester.basic_cancel(Inbox(requester, REPLY, auto_ack=True).tag)
    answers = Inbox(requester, REPLY, auto_ack=True)
    publish(requester, queue, "question", reply_to=REPLY)
    publish(channel, await_get(channel, queue).properties.reply_to, "answer")
    answers.wait(1)
