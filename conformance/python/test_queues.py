"""AMQP.md, 'Queues': declaring, lifetimes, exclusivity, expiry, message TTL, length limits, priorities."""

import pytest

from clients import (PERSISTENT, Inbox, await_count, await_get, closes_channel, count, differs_on_rabbitmq, drain,
                     exists, fence, get, publish)
from harness.waiting import Stopwatch, eventually, pause
from harness.wire import Typed


@pytest.fixture
def declare(channel):
    """Declares an exclusive queue with the arguments and returns its name."""
    def declarer(**arguments):
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        return channel.queue_declare("", exclusive=True, arguments=named).method.queue
    return declarer


# Declaring

@pytest.mark.parametrize("first, second, differing", [
    ({"durable": True}, {}, "durable"),
    ({}, {"durable": True}, "durable"),
    ({"auto_delete": True}, {}, "auto_delete"),
    ({}, {"auto_delete": True}, "auto_delete"),
])
def test_redeclaring_otherwise_is_406_and_names_the_argument(connection, channel, name, first, second, differing):
    queue = name()
    channel.queue_declare(queue, **first)
    with closes_channel(406, "PRECONDITION_FAILED", f"'{differing}'", queue):
        connection.channel().queue_declare(queue, **second)
    channel.queue_delete(queue)


def test_redeclaring_an_existing_queue_as_exclusive_is_405(connection, channel, name):
    queue = name()
    channel.queue_declare(queue)
    with closes_channel(405, "RESOURCE_LOCKED", queue):
        connection.channel().queue_declare(queue, exclusive=True)


def test_redeclaring_the_same_tells_its_counts(channel, name):
    queue = name()
    first = channel.queue_declare(queue).method
    assert (first.queue, first.message_count, first.consumer_count) == (queue, 0, 0)
    for _ in range(3):
        publish(channel, queue)
    await_count(channel, queue, 3)
    assert channel.queue_declare(queue).method.message_count == 3


def test_unknown_arguments_are_ignored_in_equivalence(channel, name):
    queue = name()
    channel.queue_declare(queue, arguments={"x-something": 1})
    channel.queue_declare(queue, arguments={"x-other": "two"})
    channel.queue_declare(queue)


@pytest.mark.parametrize("argument, first, second", [
    ("x-message-ttl", 1000, 2000),
    ("x-expires", 10_000, 20_000),
    ("x-max-length", 1, 2),
    ("x-max-length-bytes", 1, 2),
    ("x-max-priority", 1, 2),
    ("x-dead-letter-exchange", "a", "b"),
    ("x-overflow", "drop-head", "reject-publish"),
    ("x-queue-type", "classic", "quorum"),
])
def test_redeclaring_with_another_known_argument_is_406(connection, channel, name, argument, first, second):
    queue = name()
    channel.queue_declare(queue, durable=True, arguments={argument: first})
    channel.queue_declare(queue, durable=True, arguments={argument: first})
    with closes_channel(406, "PRECONDITION_FAILED", argument, queue):
        connection.channel().queue_declare(queue, durable=True, arguments={argument: second})
    channel.queue_delete(queue)


def test_arrays_and_tables_in_arguments_survive_equivalence(channel, name):
    queue = name()
    arguments = {"x-list": [1, "two", [3], {"four": True}], "x-table": {"deep": {"er": [None]}}}
    for _ in range(2):
        channel.queue_declare(queue, arguments=arguments)


def test_passive_declare_of_unknown_is_404(channel, name):
    unknown = name()
    with closes_channel(404, "NOT_FOUND", unknown, "'/'"):
        channel.queue_declare(unknown, passive=True)


def test_passive_declare_ignores_the_other_arguments(channel, name):
    queue = name()
    channel.queue_declare(queue)
    assert channel.queue_declare(queue, passive=True, durable=True).method.queue == queue


def test_server_named_queues_are_different_and_begin_with_amq_gen(channel):
    names = {channel.queue_declare("", exclusive=True).method.queue for _ in range(20)}
    assert len(names) == 20
    assert all(each.startswith("amq.gen-") for each in names)


def test_an_amq_name_is_refused_but_a_passive_declare_is_ok(connection, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_declare(queue, passive=True)
    with closes_channel(403, "ACCESS_REFUSED"):
        connection.channel().queue_declare("amq.mine")


def test_a_name_of_255_bytes_is_ok_in_any_script(channel):
    for queue in ["q" * 255, "ñandú-" + "東" * 60]:
        assert channel.queue_declare(queue, exclusive=True).method.queue == queue
        publish(channel, queue, "ok")
        assert get(channel, queue).text == "ok"


def test_nowait_forms_work_without_an_answer(raw, connection, channel, name):
    queue = name()
    link = raw().open()
    link.send(1, "exchange.declare", exchange=queue, type="fanout", nowait=True)
    link.send(1, "queue.declare", queue=queue, nowait=True)
    link.send(1, "queue.bind", queue=queue, exchange=queue, nowait=True)
    link.publish(1, "", b"one", exchange=queue)
    link.fence()
    await_count(channel, queue, 1)
    link.send(1, "queue.purge", queue=queue, nowait=True)
    link.fence()
    assert count(channel, queue) == 0
    link.send(1, "queue.delete", queue=queue, nowait=True)
    link.send(1, "exchange.delete", exchange=queue, nowait=True)
    link.fence()
    assert not exists(connection, queue=queue)
    assert not exists(connection, exchange=queue)


def test_deleting_twice_is_ok_and_tells_the_messages(channel, name):
    queue = name()
    channel.queue_declare(queue)
    publish(channel, queue)
    publish(channel, queue)
    await_count(channel, queue, 2)
    assert channel.queue_delete(queue).method.message_count == 2
    assert channel.queue_delete(queue).method.message_count == 0


def test_deleting_if_unused_and_if_empty_is_406_otherwise(connection, channel, name):
    queue = name()
    channel.queue_declare(queue)
    tag = channel.basic_consume(queue, print)
    with closes_channel(406, "in use"):
        connection.channel().queue_delete(queue, if_unused=True)
    channel.basic_cancel(tag)
    publish(channel, queue)
    await_count(channel, queue, 1)
    with closes_channel(406, "not empty"):
        connection.channel().queue_delete(queue, if_empty=True)
    channel.queue_purge(queue)
    channel.queue_delete(queue, if_unused=True, if_empty=True)
    assert not exists(connection, queue=queue)


# Lifetimes and exclusivity

def test_auto_delete_goes_on_the_last_cancel(connection, channel, name):
    queue = name()
    channel.queue_declare(queue, auto_delete=True)
    tags = [channel.basic_consume(queue, print) for _ in range(2)]
    channel.basic_cancel(tags[0])
    assert exists(connection, queue=queue)
    channel.basic_cancel(tags[1])
    eventually(lambda: not exists(connection, queue=queue))


def test_auto_delete_goes_with_the_last_consumers_connection(connect, connection, name):
    queue, other = name(), connect()
    other.channel().queue_declare(queue, auto_delete=True)
    other.channel().basic_consume(queue, print)
    other.close()
    eventually(lambda: not exists(connection, queue=queue))


def test_auto_delete_stays_while_it_never_had_a_consumer(connect, connection, name):
    queue, other = name(), connect()
    other.channel().queue_declare(queue, auto_delete=True)
    other.close()
    assert exists(connection, queue=queue)


def test_exclusive_stays_on_cancel_and_goes_with_its_connection(connect, connection, name):
    queue, owner = name(), connect()
    channel = owner.channel()
    channel.queue_declare(queue, exclusive=True)
    channel.basic_cancel(channel.basic_consume(queue, print))
    channel.queue_declare(queue, exclusive=True)
    channel.close()
    assert exists(owner, queue=queue)
    owner.close()
    eventually(lambda: not exists(connection, queue=queue))


EXCLUSIVE_OPERATIONS = {
    "passive declare": lambda channel, queue: channel.queue_declare(queue, passive=True),
    "declare": lambda channel, queue: channel.queue_declare(queue, exclusive=True),
    "declare not exclusive": lambda channel, queue: channel.queue_declare(queue),
    "consume": lambda channel, queue: channel.basic_consume(queue, print),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "bind": lambda channel, queue: channel.queue_bind(queue, "amq.direct", "key"),
    "unbind": lambda channel, queue: channel.queue_unbind(queue, "amq.direct", "key"),
    "get": lambda channel, queue: channel.basic_get(queue),
}


@pytest.mark.parametrize("operation", EXCLUSIVE_OPERATIONS)
def test_another_connections_exclusive_queue_is_405(connect, channel, name, operation):
    queue = name()
    channel.queue_declare(queue, exclusive=True)
    channel.queue_bind(queue, "amq.direct", "key")
    with closes_channel(405, "RESOURCE_LOCKED", queue):
        EXCLUSIVE_OPERATIONS[operation](connect().channel(), queue)


def test_publishing_to_another_connections_exclusive_queue_works(connect, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    publish(connect().channel(), queue, "for you")
    assert await_get(channel, queue).text == "for you"


# Counts and purge

def test_the_consumer_count_follows_consumers(channel, name):
    queue = name()
    channel.queue_declare(queue)
    tags = [channel.basic_consume(queue, print) for _ in range(3)]
    assert channel.queue_declare(queue, passive=True).method.consumer_count == 3
    channel.basic_cancel(tags.pop())
    assert channel.queue_declare(queue).method.consumer_count == 2


def test_the_message_count_counts_ready_only(channel, declare):
    queue = declare()
    for _ in range(3):
        publish(channel, queue)
    get(channel, queue, auto_ack=False)
    eventually(lambda: count(channel, queue) == 2)


def test_purge_empties_ready_only_and_unacked_come_back_redelivered(channel, declare):
    queue = declare()
    for text in "abc":
        publish(channel, queue, text)
    assert get(channel, queue, auto_ack=False).text == "a"
    assert channel.queue_purge(queue).method.message_count == 2
    assert get(channel, queue) is None
    channel.basic_recover(requeue=True)
    message = await_get(channel, queue)
    assert (message.text, message.redelivered) == ("a", True)


# Expiry of queues

@pytest.mark.parametrize("kind", ["b", "s", "I", "l"])
def test_expires_accepts_every_integer_type(raw, connection, name, kind):
    queue = name()
    link = raw().open()
    link.call(1, "queue.declare", queue=queue, arguments={"x-expires": Typed(kind, 100)})
    eventually(lambda: not exists_untouched(raw, queue), within=5)


def exists_untouched(raw, queue):
    """Whether the queue is there, asked by a mandatory publish, since a declare would renew its expiry."""
    link = raw().open()
    link.publish(1, queue, mandatory=True)
    link.send(1, "exchange.declare", exchange="amq.fanout", type="fanout", passive=True)
    found = link.recv().name != "basic.return"
    link.close()
    return found


def refuses_argument(raw, name, argument, value):
    """Declares with a raw socket, since pika has no floats."""
    link = raw().open()
    link.send(1, "queue.declare", queue=name(), arguments={argument: value})
    text = link.expect_closed(406, "channel").reply_text
    assert "PRECONDITION_FAILED" in text and argument in text


@pytest.mark.parametrize("value", [0, -1, "100", 1.5])
def test_expires_of_zero_or_less_or_no_integer_is_406(raw, name, value):
    refuses_argument(raw, name, "x-expires", value)


@pytest.mark.parametrize("passive", [False, True])
def test_a_declare_renews_the_expiry(raw, channel, name, passive):
    queue = name()
    arguments = {"x-expires": 600}
    channel.queue_declare(queue, arguments=arguments)
    watch = Stopwatch()
    while watch.seconds < 1.5:
        pause(0.15)
        channel.queue_declare(queue, passive=passive, arguments=arguments)
    eventually(lambda: not exists_untouched(raw, queue), within=5)


def test_a_queue_with_a_consumer_does_not_expire_until_it_is_gone(raw, channel, name):
    queue = name()
    channel.queue_declare(queue, arguments={"x-expires": 150})
    inbox = Inbox(channel, queue, auto_ack=True)
    inbox.stays_at(0, 0.6)
    publish(channel, queue, "alive")
    inbox.wait(1)
    channel.basic_cancel(inbox.tag)
    eventually(lambda: not exists_untouched(raw, queue), within=5)


# Message TTL

@pytest.mark.parametrize("kind", ["b", "B", "s", "u", "I", "i", "l"])
def test_all_integer_types_of_a_ttl_are_equal_on_redeclare(raw, name, kind):
    link, queue = raw().open(), name()
    link.call(1, "queue.declare", queue=queue, exclusive=True, arguments={"x-message-ttl": Typed("I", 100)})
    link.call(1, "queue.declare", queue=queue, exclusive=True, arguments={"x-message-ttl": Typed(kind, 100)})


@pytest.mark.parametrize("value", ["100", -1, 1.5])
def test_a_ttl_of_text_negative_or_float_is_406(raw, name, value):
    refuses_argument(raw, name, "x-message-ttl", value)


def test_messages_expire_after_the_queues_ttl(channel, declare):
    queue = declare(x_message_ttl=200)
    publish(channel, queue, "short-lived")
    await_count(channel, queue, 1)
    await_count(channel, queue, 0, within=5)
    assert get(channel, queue) is None


def test_a_ttl_of_zero_delivers_at_once_or_expires(channel, declare):
    queue = declare(x_message_ttl=0)
    publish(channel, queue, "nobody waits")
    fence(channel)
    assert get(channel, queue) is None
    inbox = Inbox(channel, queue, auto_ack=True)
    publish(channel, queue, "somebody waits")
    inbox.wait(1)
    assert inbox.texts == ["somebody waits"]


@pytest.mark.parametrize("value", ["", "ten", "-1", "1.5", " 10", "0x10", "10ms"])
def test_an_expiration_that_is_no_decimal_is_406(channel, declare, value):
    queue = declare()
    with closes_channel(406, "PRECONDITION_FAILED"):
        publish(channel, queue, expiration=value)
        fence(channel)


def test_the_message_expires_after_its_own_expiration(channel, declare):
    queue = declare()
    publish(channel, queue, "gone", expiration="300")
    publish(channel, queue, "stays", expiration="60000")
    publish(channel, queue, "stays too")
    await_count(channel, queue, 3)
    await_count(channel, queue, 2, within=5)
    assert drain(channel, queue) == ["stays", "stays too"]


@pytest.mark.parametrize("queue_ttl, expiration", [(60_000, "150"), (150, "60000")])
def test_the_smaller_of_queue_and_message_ttl_wins(channel, declare, queue_ttl, expiration):
    queue = declare(x_message_ttl=queue_ttl)
    publish(channel, queue, expiration=expiration)
    await_count(channel, queue, 1)
    await_count(channel, queue, 0, within=5)


def test_an_expiration_of_zero_is_gone_without_a_consumer(channel, declare):
    queue = declare()
    publish(channel, queue, "gone", expiration="0")
    assert get(channel, queue) is None


def test_the_ttl_counts_from_the_commit(connection, channel, declare):
    queue = declare(x_message_ttl=1000)
    transaction = connection.channel()
    transaction.tx_select()
    publish(transaction, queue, "late")
    pause(1.2)
    transaction.tx_commit()
    assert await_get(channel, queue, within=1).text == "late"


def test_a_requeued_message_keeps_its_expiry(channel, declare):
    queue = declare(x_message_ttl=300)
    publish(channel, queue, "once")
    message = await_get(channel, queue, auto_ack=False)
    pause(0.4)
    channel.basic_nack(message.tag, requeue=True)
    fence(channel)
    assert get(channel, queue) is None


def test_an_unacked_message_does_not_expire_in_its_consumers_hands(channel, declare):
    queue = declare(x_message_ttl=100)
    publish(channel, queue, "held")
    message = await_get(channel, queue, auto_ack=False)
    pause(0.3)
    channel.basic_ack(message.tag)
    fence(channel)


# Length limits

@pytest.mark.parametrize("limit", [0, 1, 3])
def test_max_length_drops_the_head(channel, declare, limit):
    queue = declare(x_max_length=limit)
    for number in range(6):
        publish(channel, queue, f"{number}")
    assert drain(channel, queue) == [f"{number}" for number in range(6 - limit, 6)]


def test_max_length_bytes_drops_the_head(channel, declare):
    queue = declare(x_max_length_bytes=100)
    for number in range(5):
        publish(channel, queue, f"{number}" * 40)
    assert [text[0] for text in drain(channel, queue)] == ["3", "4"]


def test_max_length_counts_ready_only(channel, declare):
    queue = declare(x_max_length=2)
    for text in "abcd":
        publish(channel, queue, text)
        if text in "ab":
            get(channel, queue, auto_ack=False)
    await_count(channel, queue, 2)
    channel.basic_nack(0, multiple=True, requeue=True)
    fence(channel)
    assert drain(channel, queue) == ["c", "d"], "requeue past the limit drops from the head"


@pytest.mark.parametrize("argument", ["x-max-length", "x-max-length-bytes"])
@pytest.mark.parametrize("value", [-1, "two"])
def test_a_bad_limit_is_406(channel, name, argument, value):
    with closes_channel(406, "PRECONDITION_FAILED", argument):
        channel.queue_declare(name(), arguments={argument: value})


def test_the_dropped_head_is_dead_lettered(channel, declare):
    dead = declare()
    queue = declare(x_max_length=1, x_dead_letter_exchange="", x_dead_letter_routing_key=dead)
    publish(channel, queue, "old")
    publish(channel, queue, "new")
    message = await_get(channel, dead)
    assert message.text == "old"
    assert message.headers["x-death"][0]["reason"] == "maxlen"
    assert drain(channel, queue) == ["new"]


def confirmed(raw, queue, bodies):
    """Publishes one by one on a confirm channel; tells which were acked."""
    link = raw().open()
    link.call(1, "confirm.select")
    outcomes = []
    for body in bodies:
        link.publish(1, queue, body.encode())
        outcomes.append(link.expect(1, "basic.ack", "basic.nack").name == "basic.ack")
    return outcomes


def test_overflow_reject_publish_nacks_and_keeps_the_old(raw, channel, declare):
    queue = declare(x_max_length=2, x_overflow="reject-publish")
    assert confirmed(raw, queue, "abc") == [True, True, False]
    assert drain(channel, queue) == ["a", "b"]
    assert confirmed(raw, queue, "d") == [True]


def test_overflow_reject_publish_dlx_dead_letters_the_new(raw, channel, declare):
    dead = declare()
    queue = declare(x_max_length=1, x_overflow="reject-publish-dlx", x_dead_letter_exchange="",
                    x_dead_letter_routing_key=dead)
    assert confirmed(raw, queue, "ab") == [True, False]
    assert await_get(channel, dead).text == "b"
    assert drain(channel, queue) == ["a"]


def test_an_unknown_overflow_is_406(channel, name):
    with closes_channel(406, "PRECONDITION_FAILED", "x-overflow"):
        channel.queue_declare(name(), arguments={"x-overflow": "explode"})


# Priorities

def test_messages_come_in_order_of_priority(channel, declare):
    queue = declare(x_max_priority=5)
    for number, priority in enumerate([0, 3, 5, 1, 3, None, 9]):
        properties = {} if priority is None else {"priority": priority}
        publish(channel, queue, f"{number}", **properties)
    assert drain(channel, queue) == ["2", "6", "1", "4", "3", "0", "5"]


@pytest.mark.parametrize("value", [-1, 256, "five"])
def test_a_max_priority_out_of_range_is_406(channel, name, value):
    with closes_channel(406, "PRECONDITION_FAILED"):
        channel.queue_declare(name(), arguments={"x-max-priority": value})


@differs_on_rabbitmq("x-max-priority of 0 is accepted")
def test_a_max_priority_of_zero_is_406(channel, name):
    with closes_channel(406, "PRECONDITION_FAILED"):
        channel.queue_declare(name(), arguments={"x-max-priority": 0})


@pytest.mark.parametrize("value", [1, 10, 255])
def test_max_priorities_in_range_are_accepted(channel, declare, value):
    queue = declare(x_max_priority=value)
    publish(channel, queue, "low", priority=0)
    publish(channel, queue, "high", priority=255)
    assert drain(channel, queue) == ["high", "low"]


def test_a_requeued_message_keeps_its_priority(channel, declare):
    queue = declare(x_max_priority=5)
    publish(channel, queue, "high", priority=5)
    message = await_get(channel, queue, auto_ack=False)
    publish(channel, queue, "low", priority=1)
    channel.basic_nack(message.tag, requeue=True)
    assert drain(channel, queue) == ["high", "low"]


# Queue types

def test_an_unknown_queue_type_is_refused(channel, name):
    with closes_channel(406, "PRECONDITION_FAILED", "x-queue-type"):
        channel.queue_declare(name(), durable=True, arguments={"x-queue-type": "imaginary"})


@pytest.mark.parametrize("kind", ["quorum", "stream"])
@pytest.mark.parametrize("options", [{"durable": False}, {"durable": True, "exclusive": True},
                                     {"durable": True, "auto_delete": True}])
def test_quorum_and_stream_queues_are_durable_and_shared(channel, name, kind, options):
    with closes_channel(406, "PRECONDITION_FAILED"):
        channel.queue_declare(name(), arguments={"x-queue-type": kind}, **options)


def test_lazy_and_other_arguments_of_rabbitmq_are_accepted(channel, declare):
    queue = declare(x_queue_mode="lazy", x_queue_type="classic", x_queue_version=2, x_queue_master_locator="client-local")
    channel.basic_publish("", queue, b"ok", PERSISTENT)
    assert get(channel, queue).text == "ok"
