"""ABUSE.md C as far as it concerns AMQP: appetite without bounds of clients that have logged in.

Memory is read from /proc where the suite knows the process; the limits are Chaski's.
"""

import contextlib
import itertools
import statistics
import threading

import pytest
from pika.exceptions import ChannelClosedByBroker

from abuse import refused, serves
from clients import (Inbox, await_count, await_get, closes_channel, count, differs_on_rabbitmq, drain, exists, fence, get,
                     publish)
from harness import wire
from harness.memory import KIB, MIB, costs_at_most, resident
from harness.raw import Closed, Gone, RawConnection
from harness.waiting import Stopwatch, eventually

operated = pytest.mark.operated
OUTBOX = 256 * KIB
# A connection that is logged in, with a channel.
CONNECTION = 32 * KIB


def grows_at_most(broker, limit):
    """Asserts that the block makes the broker's memory grow by at most that much."""
    return _Growth(broker, limit)


class _Growth:
    def __init__(self, broker, limit):
        self._broker, self._limit = broker, limit

    def __enter__(self):
        self._before = resident(self._broker)
        return self

    def __exit__(self, kind, *_):
        if kind is None and self._before is not None:
            grown = resident(self._broker) - self._before
            assert grown <= self._limit, f"grew by {grown / MIB:.1f} MiB"


@differs_on_rabbitmq("the size is looked at when the whole body is there")
def test_c27_a_message_over_the_limit_is_refused_before_it_is_sent(raw, broker):

    def attempt():
        link = raw().open()
        link.send(1, "basic.publish", routing_key="nowhere")
        link.send_frame(wire.HEADER, 1, wire.content_header(2**63))
        with contextlib.suppress(OSError, Gone):
            for _ in range(20):
                link.send_frame(wire.BODY, 1, b"x" * 1000)
        with contextlib.suppress(Gone):
            with pytest.raises(Closed) as caught:
                link.recv()
            assert caught.value.code in {311, 406, 501, 502}
        return link

    costs_at_most(broker, CONNECTION, attempt, rounds=100)
    serves(broker)


@operated
def test_c27_a_body_costs_what_has_come_of_it_however_large_it_is_to_be(raw, broker):
    sent = 200_000

    def attempt():
        link = raw().open()
        link.send(1, "basic.publish", routing_key="nowhere")
        link.send_frame(wire.HEADER, 1, wire.content_header(16 * MIB))
        for _ in range(2):
            link.send_frame(wire.BODY, 1, b"x" * (sent // 2))
        # Another channel's answer says that this one's frames have been seen.
        link.call(2, "channel.open")
        return link

    # A buffer that grows by doubling may be half empty, but what nobody wrote to takes no memory.
    costs_at_most(broker, 2 * sent + 64 * KIB, attempt, rounds=60, warm_up=20)


def test_c27_sixteen_mebibytes_are_taken_and_one_byte_more_is_not(raw):
    link = raw(timeout=30).open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    link.publish(1, queue, b"x" * (16 * MIB))
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    assert len(link.recv_content(1)[1]) == 16 * MIB
    with pytest.raises((Closed, Gone, ConnectionError)) as caught:
        link.publish(1, queue, b"x" * (16 * MIB + 1))
        link.recv()
    if isinstance(caught.value, Closed):
        assert caught.value.code in {311, 406, 501}


@differs_on_rabbitmq("it goes on waiting for the end of the body")
@pytest.mark.parametrize("extra", [1, 1000])
def test_c27_body_frames_over_the_declared_size_are_refused(raw, extra):
    link = raw().open()
    link.send(1, "basic.publish", routing_key="nowhere")
    link.send_frame(wire.HEADER, 1, wire.content_header(10))
    link.send_frame(wire.BODY, 1, b"x" * (10 + extra))
    assert refused(link, {501, 502, 505, 541}) is not None


def test_c28_channels_beyond_what_was_agreed_on_are_refused(raw):
    link = raw(timeout=30)
    link.start()
    link.start_ok()
    agreed = link.tune().channel_max
    assert agreed == 2047
    link.call(0, "connection.open", vhost=link.broker.vhost)
    for number in range(1, agreed + 1):
        link.send(number, "channel.open")
    opened = [link.recv() for _ in range(agreed)]
    assert {method.name for method in opened} == {"channel.open-ok"}
    assert {method.channel for method in opened} == set(range(1, agreed + 1))
    link.send(agreed + 1, "channel.open")
    with pytest.raises(Closed) as caught:
        link.recv()
    assert caught.value.code == 530
    assert "number of channels opened (2047) has reached the negotiated channel_max (2047)" in caught.value.text


@operated
@differs_on_rabbitmq("its settings are others")
def test_c28_all_the_channels_there_can_be_take_less_than_a_kibibyte_each(chaski_with):
    broker = chaski_with(channel_max=65_535)
    with RawConnection(broker, timeout=30) as link:
        link.open(channels=0)
        before = None
        for first in range(1, 65_536, 1_000):
            numbers = range(first, min(first + 1_000, 65_536))
            link.send_bytes(b"".join(
                wire.frame(wire.METHOD, number, wire.method("channel.open")) for number in numbers))
            for number in numbers:
                link.expect(number, "channel.open-ok")
            if before is None:
                before = resident(broker)
        grown = resident(broker) - before
        assert grown < 65_000 * KIB, f"{grown / 65_000:.0f} bytes each"
        queue = link.call(65_535, "queue.declare", exclusive=True).queue
        link.publish(65_535, queue, b"by the last one")
        link.send(1, "basic.get", queue=queue, no_ack=True)
        link.expect(1, "basic.get-ok")
        assert link.recv_content(1)[1] == b"by the last one"
    serves(broker)


def call_many(link, name, calls):
    """Calls a method on channel 1 with each of the given arguments, 1,000 at a time; all are answered with its -ok."""
    for first in range(0, len(calls), 1_000):
        batch = calls[first:first + 1_000]
        link.send_bytes(b"".join(wire.frame(wire.METHOD, 1, wire.method(name, **arguments)) for arguments in batch))
        for _ in batch:
            link.expect(1, f"{name}-ok")


def consume_times(link, queue, times):
    call_many(link, "basic.consume", [{"queue": queue, "consumer_tag": f"c{number}"} for number in range(times)])


@operated
@differs_on_rabbitmq("any number of consumers is taken unless its configuration says otherwise")
def test_c28_consumers_beyond_the_limit_of_a_channel_are_refused(raw, broker):
    """The default of 10,000; they take about a kibibyte each."""
    link = raw(timeout=30).open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    with grows_at_most(broker, 15_000 * KIB):
        consume_times(link, queue, 10_000)
    link.send(1, "basic.consume", queue=queue, consumer_tag="one more")
    with pytest.raises(Closed) as caught:
        link.recv()
    assert caught.value.method.name == "connection.close" and caught.value.code == 530
    assert "NOT_ALLOWED - reached maximum (10000) of consumers per channel" in caught.value.text
    serves(broker)


@operated
@differs_on_rabbitmq("its settings are others")
def test_c28_consumers_queues_and_bindings_have_limits_of_the_operators_choice(chaski_with):
    broker = chaski_with(max_consumers_per_channel=5, max_queues=20, max_bindings=30)
    with RawConnection(broker) as link:
        link.open()

        def refusal(method, **arguments):
            link.send(1, method, **arguments)
            with pytest.raises(Closed) as caught:
                link.recv()
            assert caught.value.method.name == "channel.close"
            link.call(1, "channel.open")
            return caught.value.text

        queues = [link.call(1, "queue.declare", queue=f"q{number}", durable=number % 2 == 0).queue for number in range(20)]
        assert refusal("queue.declare", queue="one-more") == (
            "PRECONDITION_FAILED - cannot declare queue 'one-more': queue limit in cluster (20) is reached")
        link.call(1, "queue.declare", queue="q0", durable=True)
        for number in range(30):
            link.call(1, "queue.bind", queue=queues[number % 20], exchange="amq.direct", routing_key=f"key {number}")
        assert refusal("queue.bind", queue="q0", exchange="amq.direct", routing_key="one more") == (
            "PRECONDITION_FAILED - cannot bind 'q0' to exchange 'amq.direct': binding limit in cluster (30) is reached")
        assert "binding limit in cluster (30)" in refusal(
            "exchange.bind", destination="amq.fanout", source="amq.direct", routing_key="one more")
        link.call(1, "queue.bind", queue=queues[0], exchange="amq.direct", routing_key="key 0")
        # A queue takes its bindings with it.
        link.call(1, "queue.delete", queue="q0")
        link.call(1, "queue.declare", queue="one-more")
        for number in range(2):
            link.call(1, "queue.bind", queue="one-more", exchange="amq.direct", routing_key=f"more {number}")
        assert "binding limit" in refusal("queue.bind", queue="one-more", exchange="amq.direct", routing_key="more")
        consume_times(link, "q1", 5)
        link.send(1, "basic.consume", queue="q1")
        with pytest.raises(Closed, match="reached maximum .5. of consumers per channel"):
            link.recv()
    # What was there when the limit was lowered, or is there when the server starts again, stays.
    broker.restart()
    with RawConnection(broker) as link:
        link.open()
        assert link.call(1, "queue.declare", queue="q2", passive=True).queue == "q2"


def declare_all(link, names, **arguments):
    call_many(link, "queue.declare", [{"queue": name, "exclusive": True, "arguments": arguments} for name in names])


@operated
@differs_on_rabbitmq("its memory is not known here")
def test_c28_queues_take_a_few_kibibytes_whatever_their_priorities(raw, broker):
    """So that the 200,000 that there may be take less than a gibibyte; a priority that nobody uses takes nothing."""
    link = raw(timeout=30).open()
    costs, size = {}, 4_000
    for label, arguments in [("warm", {}), ("plain", {}), ("prioritised", {"x-max-priority": 255})]:
        before = resident(broker)
        declare_all(link, [f"{label}-{number}" for number in range(size)], **arguments)
        costs[label] = (resident(broker) - before) / size
    assert max(costs.values()) < 4 * KIB, costs


@operated
@differs_on_rabbitmq("its memory is not known here")
def test_c28_bindings_take_less_than_a_kibibyte(raw, broker):
    link = raw(timeout=30).open()
    queue = link.call(1, "queue.declare", exclusive=True).queue

    def bind(first, size):
        call_many(link, "queue.bind", [{"queue": queue, "exchange": "amq.topic", "routing_key": f"key.{number}.*.#"}
                                       for number in range(first, first + size)])

    bind(0, 1_000)
    with grows_at_most(broker, 10_000 * KIB):
        bind(1_000, 10_000)


@operated
@differs_on_rabbitmq("one bucket per unit of weight: 2^31 of them would end it")
def test_c28_a_hash_binding_of_a_wild_weight_is_refused(channel, broker, name):
    exchange = name("hash")
    channel.exchange_declare(exchange, "x-consistent-hash", auto_delete=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    for weight in ("2147483648", "4294967296", "18446744073709551616", "-1", "0", "1.5", ""):
        with closes_channel(406, "must be a weight from 1 to 1000000"):
            channel.connection.channel().queue_bind(queue, exchange, weight)
    channel.queue_bind(queue, exchange, "1000000")
    publish(channel, "key", "arrives", exchange=exchange)
    assert await_get(channel, queue).text == "arrives"


@differs_on_rabbitmq("the time grows exponentially with the number of #")
@pytest.mark.parametrize("pattern", ["#.#.#.#.#.#.#.#.#.a", "*.#.*.#", "#.*.#.*.#.*.#.b"])
def test_c29_topic_patterns_that_explode_are_matched_in_microseconds(raw, name, pattern, record_property):
    """A thousand bindings, keys of 255 bytes: what a publish takes more than one to a direct exchange is less than 100 µs.

    Each key is another one, since a connection remembers routes. How many steps a route takes is asserted where it can be counted,
    in the broker's own tests.
    """
    link = raw(timeout=30).open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    exchange = name("topic")
    link.call(1, "exchange.declare", exchange=exchange, type="topic", auto_delete=True)
    for number in range(1_000):
        link.call(1, "queue.bind", queue=queue, exchange=exchange, routing_key=f"{pattern}.{number}")
    link.call(1, "queue.bind", queue=queue, exchange=exchange, routing_key=pattern + ".last")
    size, numbers = 2_000, itertools.count()

    def publishes(target):
        keys = [f"{next(numbers):09d}." + "a." * 122 + "a" for _ in range(size)]
        assert {len(key) for key in keys} == {255}
        frames = [wire.frame(wire.METHOD, 1, wire.method("basic.publish", exchange=target, routing_key=key))
                  + wire.frame(wire.HEADER, 1, wire.content_header(0)) for key in keys]
        watch = Stopwatch()
        link.send_bytes(b"".join(frames))
        link.fence()
        return watch.seconds / size

    more = [publishes(exchange) - publishes("amq.direct") for _ in range(5)]
    each = statistics.median(more)
    record_property("microseconds_a_route", f"{each * 1e6:.1f}")
    assert each < 100e-6, f"{each * 1e6:.1f} µs"
    link.publish(1, "x." + "a." * 100 + ("b." if pattern.endswith("b") else "") + "a.last", exchange=exchange)
    assert link.call(1, "queue.purge", queue=queue).message_count <= 1


@operated
def test_c31_names_that_never_come_again_leave_nothing_behind(raw, broker):
    link = raw(timeout=30).open()
    queue = link.call(1, "queue.declare", exclusive=True).queue

    def churn(turn):
        for index in range(3_000):
            word = f"{turn}-{index}-" + "x" * 60
            link.publish(1, word, b"", headers={word: 1}, app_id=word, type=word, correlation_id=word)
        for index in range(300):
            word = f"tag-{turn}-{index}"
            link.call(1, "basic.consume", queue=queue, consumer_tag=word)
            link.call(1, "basic.cancel", consumer_tag=word)

    churn(0)
    churn(1)
    with grows_at_most(broker, MIB):
        for turn in range(2, 6):
            churn(turn)


class Stuck:
    """Consumers that never read, all of one queue."""

    def __init__(self, raw, connect, queue, body, **consume):
        self._raw, self.queue, self._body, self._consume = raw, queue, body, consume
        self._channel = connect().channel()
        self._channel.queue_declare(queue)
        self.links = []

    def add(self, size):
        """Opens that many more, and publishes until none takes anything any more."""
        for _ in range(size):
            link = self._raw(receive_buffer=4096).open()
            if self._consume.get("prefetch"):
                link.call(1, "basic.qos", prefetch_count=self._consume["prefetch"])
            link.call(1, "basic.consume", queue=self.queue, no_ack=self._consume.get("no_ack", False))
            self.links.append(link)
        watch = Stopwatch()
        while not self._is_stuck():
            assert watch.seconds < 30
            for _ in range(20):
                self._channel.basic_publish("", self.queue, self._body)

    def _is_stuck(self):
        """Messages are ready, and some time later there are still as many."""
        ready = count(self._channel, self.queue)
        if ready:
            fence(self._channel)
            settled = Stopwatch()
            while settled.seconds < 0.3:
                if count(self._channel, self.queue) != ready:
                    return False
        return ready > 0

    def close(self):
        for link in self.links:
            link.close()
        self._channel.queue_delete(self.queue)


@operated
@differs_on_rabbitmq("its memory is not known here")
@pytest.mark.parametrize("consume, allowance", [
    ({"no_ack": True}, 0),
    ({"no_ack": False}, 0),
    ({"no_ack": False, "prefetch": 5}, 5),
], ids=str)
def test_c32_a_stuck_consumer_costs_its_prefetch_and_256_kib(raw, connect, broker, name, consume, allowance):
    """Here the slope of a hundred. To the byte it is asserted in the broker's and the session's own tests.

    Resident memory has beside it what the allocator keeps of what was freed, and gives back as it likes: more than as much again
    was seen. The kernel's buffers are not the broker's.
    """
    body, size = b"x" * 20_000, 100
    # One message beyond, since messages are handed out whole; and the connection itself.
    limit = 3 * (OUTBOX + (allowance + 1) * len(body)) + CONNECTION
    stuck = Stuck(raw, connect, name("stuck"), body, **consume)
    try:
        stuck.add(size)
        serves(broker)
        before = resident(broker)
        stuck.add(size)
        # After a second without reading, what waits for them lets go of the buffers that it came in; the allocator gives them back
        # when it is next called.
        eventually(lambda: serves(broker) and (resident(broker) - before) / size < limit,
                   within=8, every=0.1, what=f"{limit // KIB} KiB each")
    finally:
        stuck.close()


@operated
@pytest.mark.parametrize("no_ack", [True, False])
def test_c32_one_stuck_consumer_among_fifty_leaves_the_work_to_the_others(raw, connect, name, no_ack):
    """By work done: once it is stuck, all that is published reaches those that read."""
    stuck, size = Stuck(raw, connect, name("shared"), b"x" * 20_000, no_ack=no_ack), 6_000
    try:
        stuck.add(1)
        readers = connect().channel()
        inboxes = [Inbox(readers, stuck.queue, auto_ack=True) for _ in range(49)]
        channel = connect().channel()
        for _ in range(size):
            publish(channel, stuck.queue, b"work")
        fence(channel)

        def taken():
            inboxes[0].pump(0.01)
            return sum(message.body == b"work" for inbox in inboxes for message in inbox.messages) >= size * 0.95

        eventually(taken, within=20, every=0)
    finally:
        stuck.close()


@operated
@differs_on_rabbitmq("any number of messages may be out")
def test_c32_a_client_that_never_acknowledges_gets_so_many_and_no_more(chaski_with):
    """With no prefetch and with a large one, over all channels; acknowledging makes room, and others get the rest."""
    limit, size = 1_000, 12_000
    broker = chaski_with(max_unacked_per_connection=limit)
    # What was on its way when the limit was reached comes too.
    on_its_way = OUTBOX // 100
    with RawConnection(broker) as publisher, RawConnection(broker) as greedy, RawConnection(broker) as other:
        publisher.open(), greedy.open(channels=2), other.open()
        queue = publisher.call(1, "queue.declare", queue="work").queue
        publisher.send_bytes(b"".join(
            wire.frame(wire.METHOD, 1, wire.method("basic.publish", routing_key=queue))
            + wire.frame(wire.HEADER, 1, wire.content_header(0)) for _ in range(size)))
        publisher.fence()
        greedy.call(2, "basic.qos", prefetch_count=65_535)
        for channel in (1, 2):
            greedy.send(channel, "basic.consume", queue=queue)

        def deliveries():
            """How many come until nothing comes."""
            tags = []
            with contextlib.suppress(TimeoutError):
                while True:
                    frame = greedy.recv_frame(0.5)
                    if frame.kind == wire.METHOD:
                        method = wire.parse_method(frame.channel, frame.payload)
                        if method.name == "basic.deliver":
                            tags.append((method.channel, method.delivery_tag))
            return tags

        held = deliveries()
        assert limit <= len(held) <= limit + on_its_way
        greedy.send(1, "basic.get", queue=queue)
        refusal = greedy.expect_closed(406, scope="channel")
        assert "its limit of 1000 unacknowledged messages" in refusal.reply_text
        # The channel that was closed gave back what it held, which the other one's consumer may have.
        again = deliveries()
        assert again and {channel for channel, _ in again} == {2}
        greedy.send(2, "basic.ack", delivery_tag=0, multiple=True)
        assert limit <= len(deliveries()) <= limit + on_its_way
        greedy.send(2, "basic.ack", delivery_tag=0, multiple=True)
        other.call(1, "basic.consume", queue=queue, no_ack=True)
        for _ in range(1_000):
            other.expect(1, "basic.deliver")
            other.recv_content(1)


@pytest.mark.parametrize("prefetch", [0, 65_535])
def test_c32_extreme_prefetches_work(raw, prefetch):
    link = raw().open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    link.call(1, "basic.qos", prefetch_count=prefetch)
    link.publish(1, queue, b"x")
    link.call(1, "basic.consume", queue=queue)
    link.expect(1, "basic.deliver")


def test_c33_a_nack_loop_at_full_speed_leaves_others_served(connect, broker):
    stop, turns = threading.Event(), []
    connection = connect()
    looping = connection.channel()
    queue = looping.queue_declare("", exclusive=True).method.queue
    publish(looping, queue, "again")

    def loop():
        def again(channel, method, _properties, _body):
            turns.append(1)
            channel.basic_nack(method.delivery_tag, requeue=True)

        looping.basic_consume(queue, again)
        while not stop.is_set():
            connection.process_data_events(0.05)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        eventually(lambda: len(turns) > 100)
        for _ in range(5):
            serves(broker)
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_c33_cycles_of_bindings_end(channel, name):
    exchanges = [name("ring") for _ in range(20)]
    for exchange in exchanges:
        channel.exchange_declare(exchange, "fanout", auto_delete=True)
    for source in exchanges[:6]:
        for destination in exchanges[:6]:
            channel.exchange_bind(destination, source)
    for source, destination in zip(exchanges, exchanges[1:] + exchanges[:1], strict=True):
        channel.exchange_bind(destination, source)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchanges[-1])
    publish(channel, "", "once", exchange=exchanges[0])
    await_count(channel, queue, 1)
    assert drain(channel, queue) == ["once"]


@pytest.mark.parametrize("ttl", [2**31, 2**40, 2**63 - 1])
def test_c33_a_wild_ttl_is_refused_or_works(connection, ttl):
    channel = connection.channel()
    try:
        queue = channel.queue_declare("", exclusive=True, arguments={"x-message-ttl": ttl}).method.queue
    except ChannelClosedByBroker as error:
        assert error.reply_code == 406
        return
    publish(channel, queue, "lasting")
    assert get(channel, queue).text == "lasting"


@pytest.mark.parametrize("expiration", ["99999999999999999999999999", "18446744073709551616", "9223372036854775807"])
def test_c33_a_wild_expiration_is_refused_or_works(connection, expiration):
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    try:
        publish(channel, queue, "lasting", expiration=expiration)
        message = get(channel, queue)
    except ChannelClosedByBroker as error:
        assert error.reply_code == 406
        return
    assert message.text == "lasting"


def test_c33_a_cc_header_of_five_thousand_keys_makes_one_copy_each(channel, broker):
    queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
    keys = queues[1:] * 100 + [f"nowhere-{index}" for index in range(4_800)]
    publish(channel, queues[0], "copied", headers={"CC": keys})
    for queue in queues:
        assert await_get(channel, queue).text == "copied"
        assert count(channel, queue) == 0
    serves(broker)


@operated
def test_c36_wrong_passwords_do_not_hold_up_the_right_one(broker, raw):
    def wrong():
        for _ in range(5):
            with RawConnection(broker) as link, contextlib.suppress(Closed, Gone):
                link.start()
                link.start_ok(response=b"\0nobody\0wrong", capabilities=["authentication_failure_close"])
                link.expect(0, "connection.tune")

    threads = [threading.Thread(target=wrong) for _ in range(10)]
    for thread in threads:
        thread.start()
    try:
        watch = Stopwatch()
        raw().open()
        assert watch.seconds < 5
    finally:
        for thread in threads:
            thread.join(30)


def test_after_all_that_the_broker_is_whole(connection, broker):
    serves(broker)
    assert exists(connection, exchange="amq.direct")
