"""ABUSE.md A to C as far as they concern AMQP: bad bytes, bad logins, forbidden resources, and appetite without bounds.

Memory is read from /proc where the suite knows the process; the limits are Chaski's.
"""

import contextlib
import socket
import struct
import threading
from pathlib import Path

import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker

from clients import (Inbox, await_count, await_get, closes_channel, count, differs_on_rabbitmq, drain, exists, fence, get,
                     publish)
from harness import wire
from harness.raw import Closed, Gone, RawConnection
from harness.waiting import Stopwatch, eventually, pause

operated = pytest.mark.operated
MIB = 1024 * 1024
ALLOCATOR_SLACK = 3 * MIB


def resident(broker):
    """Resident memory of the broker's process in bytes, or None where it is not known."""
    if broker.kind != "chaski":
        return None
    status = Path(f"/proc/{broker.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextlib.contextmanager
def grows_at_most(broker, limit):
    """The broker's resident memory after the block is at most that much above that before.

    Threads and the allocator touch a little more of their own the first time round, whatever the peer did.
    """
    before = resident(broker)
    yield
    if before is not None:
        grown = resident(broker) - before
        assert grown <= limit + ALLOCATOR_SLACK, f"grew by {grown / MIB:.1f} MiB"


def serves(broker):
    """The broker still serves a newcomer, promptly."""
    watch = Stopwatch()
    with RawConnection(broker) as link:
        link.open()
        queue = link.call(1, "queue.declare", exclusive=True).queue
        link.publish(1, queue, b"alive")
        link.send(1, "basic.get", queue=queue, no_ack=True)
        link.expect(1, "basic.get-ok")
        link.recv_content(1)
    assert watch.seconds < 5
    return True


def refused(link, codes, timeout=None):
    """The connection ends: with one of the codes, or with no word at all (as before authentication)."""
    try:
        return link.expect_closed(codes, timeout=timeout).reply_code
    except Gone:
        return None


# A. Before authentication

def test_a1_a_connection_that_says_nothing_is_closed_after_ten_seconds(raw, broker):
    silent = raw()
    watch = Stopwatch()
    assert silent.rest(timeout=20) in (b"", wire.PROTOCOL_HEADER)
    assert 5 < watch.seconds < 15
    serves(broker)


@operated
def test_a1_silent_connections_cost_little_and_do_not_delay_others(broker):
    with grows_at_most(broker, 10 * MIB):
        silent = [socket.create_connection((broker.host, broker.port)) for _ in range(400)]
        try:
            serves(broker)
        finally:
            for each in silent:
                each.close()


def test_a2_slow_bytes_do_not_stretch_the_handshake_deadline(raw):
    """A byte every half second, of the header and then of a start-ok that never ends: one deadline for it all."""
    link = raw()
    start_ok = wire.frame(wire.METHOD, 0, wire.method(
        "connection.start-ok", mechanism="PLAIN", response=b"\0guest\0guest", locale="en_US"))
    watch = Stopwatch()
    with pytest.raises(OSError):
        for byte in wire.PROTOCOL_HEADER + start_ok:
            link.send_bytes(bytes([byte]))
            pause(0.5)
    assert watch.seconds < 16


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 131073, 0], ids=hex)
def test_a3_a_frame_of_a_wild_size_before_authentication_is_refused(raw, broker, size):
    link = raw()
    link.start()
    with grows_at_most(broker, MIB):
        link.send_bytes(struct.pack(">BHI", wire.METHOD, 0, size) + b"\xce" * 8)
        refused(link, {501, 502, 503, 505})
    serves(broker)


BAD_FRAMES = {
    "wrong frame end": wire.frame(wire.METHOD, 0, wire.method("connection.start-ok"), end=0xCD),
    "type 9": wire.frame(9, 0, b""),
    "content on channel 0": wire.frame(wire.HEADER, 0, wire.content_header(5)),
    "body on channel 0": wire.frame(wire.BODY, 0, b"hello"),
    "heartbeat on channel 5": wire.frame(wire.HEARTBEAT, 5, b""),
    "method on channel 1": wire.frame(wire.METHOD, 1, wire.method("channel.open")),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_a4_a_bad_frame_before_authentication_is_refused(raw, broker, case):
    link = raw()
    link.start()
    link.send_bytes(BAD_FRAMES[case])
    refused(link, {501, 503, 504, 505})
    serves(broker)


def nested(depth):
    """A table in a table in a table…"""
    payload = b""
    for _ in range(depth):
        payload = b"\x01kF" + struct.pack(">I", len(payload)) + payload
    return struct.pack(">I", len(payload)) + payload


def start_ok_with(table):
    """A start-ok whose client properties are those bytes."""
    tail = wire.short_string("PLAIN") + wire.long_string(b"\0guest\0guest") + wire.short_string("en_US")
    return wire.frame(wire.METHOD, 0, struct.pack(">HH", 10, 11) + table + tail)


BAD_TABLES = {
    "longer than its frame": struct.pack(">I", 0x7FFFFFFF),
    "length of 2^32-1": struct.pack(">I", 0xFFFFFFFF),
    "array of 2^32-1 bytes": wire.long_string(b"\x01kA" + struct.pack(">I", 0xFFFFFFFF)),
    "array of items of no width": wire.long_string(b"\x01kA" + struct.pack(">I", 0x7FFFFFFF) + b"V" * 100),
    "long string of 2^32-1": wire.long_string(b"\x01kS" + struct.pack(">I", 0xFFFFFFFF)),
    "key past the end": wire.long_string(b"\xffkey"),
    "unknown type": wire.long_string(b"\x01kZ"),
    "truncated value": wire.long_string(b"\x01kl\x00"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a5_a_bad_table_before_authentication_is_refused(raw, broker, case):
    link = raw()
    link.start()
    with grows_at_most(broker, MIB):
        link.send_bytes(start_ok_with(BAD_TABLES[case]))
        refused(link, {501, 502, 503, 541})
    serves(broker)


@differs_on_rabbitmq("any depth is taken")
def test_a5_tables_a_thousand_deep_are_refused(raw, broker):
    link = raw()
    link.start()
    with grows_at_most(broker, MIB):
        link.send_bytes(start_ok_with(nested(1000)))
        refused(link, {501, 502, 503})
    serves(broker)


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a5_a_bad_table_in_the_headers_of_a_message_is_refused(raw, broker, case):
    link = raw().open()
    header = struct.pack(">HHQH", 60, 0, 0, 1 << 13) + BAD_TABLES[case]
    with grows_at_most(broker, 2 * MIB):
        link.send(1, "basic.publish", routing_key="nowhere")
        link.send_frame(wire.HEADER, 1, header)
        with contextlib.suppress(Closed):
            refused_or_ignored(link)
    serves(broker)


def refused_or_ignored(link):
    """The connection ends; or (a broker need not decode the headers of a message that goes nowhere) it goes on."""
    try:
        link.fence()
    except Gone:
        pass
    except Closed as closed:
        assert closed.code in {501, 502, 503, 541}, closed


BAD_LOGINS = {
    "three NULs": b"\0guest\0guest\0",
    "no NUL": b"guest",
    "another to act as": b"admin\0guest\0wrong",
    "a password of 100 KB": b"\0guest\0" + b"x" * 100_000,
    "not UTF-8": b"\0\xff\xfe\0\xff",
    "empty user": b"\0\0guest",
    "empty password": b"\0guest\0",
    "nothing": b"",
}


@pytest.mark.parametrize("case", BAD_LOGINS)
def test_a6_a_bad_plain_response_is_refused(raw, broker, case):
    link = raw()
    link.start()
    link.start_ok(response=BAD_LOGINS[case], capabilities=["authentication_failure_close"])
    with pytest.raises((Closed, Gone)) as caught:
        link.expect(0, "connection.tune")
    if isinstance(caught.value, Closed):
        assert caught.value.code in {403, 501, 502, 541}
    serves(broker)


@differs_on_rabbitmq("the identity to act as is ignored")
def test_a6_logging_in_as_one_to_act_as_another_is_refused(raw):
    link = raw()
    link.start()
    link.start_ok(response=b"admin\0guest\0guest", capabilities=["authentication_failure_close"])
    link.expect_closed(403)


@operated
def test_a6_an_account_with_no_password_cannot_log_in_by_an_empty_one(raw, user):
    link = raw()
    account = user(".*", ".*", ".*")
    link.start()
    link.start_ok(response=f"\0{account}\0".encode(), capabilities=["authentication_failure_close"])
    link.expect_closed(403)


@pytest.mark.parametrize("first", ["connection.open", "connection.tune-ok", "connection.close", "connection.secure-ok"])
def test_a13_a_first_method_other_than_start_ok_gets_nowhere(raw, broker, first):
    link = raw()
    link.start()
    fields = {"connection.open": {"vhost": "/"}, "connection.tune-ok": {"frame_max": 4096}}.get(first, {})
    link.send(0, first, **fields)
    try:
        assert link.recv().name == "connection.close-ok"
    except (Closed, Gone):
        pass
    serves(broker)


def test_a13_a_channel_before_open_gets_nowhere(raw, broker):
    link = raw()
    link.start()
    link.start_ok()
    link.tune()
    link.send(1, "channel.open")
    refused(link, {503, 504, 505, 501})
    serves(broker)


# B. Authorisation

@pytest.fixture
def limited(connect, user):
    """A connection of an account that may touch only names that begin with `mine`."""
    account = user("^mine", "^mine", "^mine")
    return connect(account, "secret")


FORBIDDEN = {
    "passive declare": lambda channel, queue: channel.queue_declare(queue, passive=True),
    "declare": lambda channel, queue: channel.queue_declare(queue),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "bind": lambda channel, queue: channel.queue_bind(queue, "amq.fanout"),
    "unbind": lambda channel, queue: channel.queue_unbind(queue, "amq.fanout"),
    "get": lambda channel, queue: channel.basic_get(queue),
    "consume": lambda channel, queue: channel.basic_consume(queue, print),
    "publish": lambda channel, queue: (publish(channel, queue), channel.queue_declare("mine.fence")),
}


@operated
@pytest.mark.parametrize("verb", [
    pytest.param(verb, marks=differs_on_rabbitmq("a passive declare needs no permission")) if verb == "passive declare"
    else verb for verb in FORBIDDEN])
def test_b18_every_verb_on_anothers_queue_is_403_as_on_a_missing_one(channel, limited, name, verb):
    theirs, missing = name("theirs"), name("missing")
    channel.queue_declare(theirs)
    texts = []
    for queue in (theirs, missing):
        with pytest.raises(ChannelClosedByBroker) as caught:
            FORBIDDEN[verb](limited.channel(), queue)
        texts.append((caught.value.reply_code, caught.value.reply_text.replace(queue, "QUEUE")))
    assert texts[0][0] == 403
    assert texts[0] == texts[1], "the answer tells whether the queue exists"


@operated
@pytest.mark.parametrize("queue", ["amq.theirs", "amq.gen-guessed", "mine\0", "mine/../theirs", "mine%2ftheirs", "mıne",
                                   "Mine", " mine"])
def test_b20_names_that_look_like_others_are_no_way_around(limited, queue):
    channel = limited.channel()
    if queue.startswith("mine"):
        assert channel.queue_declare(queue, exclusive=True).method.queue == queue
    else:
        with closes_channel(403, "ACCESS_REFUSED"):
            channel.queue_declare(queue)


def test_b20_a_reply_queue_cannot_be_read_by_another(connect, channel):
    requester = connect().channel()
    answers = Inbox(requester, "amq.rabbitmq.reply-to", auto_ack=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    publish(requester, queue, reply_to="amq.rabbitmq.reply-to")
    reply = await_get(channel, queue).properties.reply_to
    for operation in ("basic_get", "queue_purge"):
        with pytest.raises(AMQPError):
            getattr(connect().channel(), operation)(reply)
    with contextlib.suppress(AMQPError):
        connect().channel().queue_delete(reply)
    publish(channel, reply, "only for you")
    answers.wait(1)


@operated
def test_b21_a_user_id_is_checked_also_in_a_transaction_and_by_headers(connect, limited):
    channel = limited.channel()
    channel.exchange_declare("mine.direct", auto_delete=True)
    channel.tx_select()
    with closes_channel(406, "user_id"):
        publish(channel, "key", exchange="mine.direct", user_id="guest")
        channel.tx_commit()


REACH = {
    "alternate exchange": lambda channel: channel.exchange_declare(
        "mine.exchange", arguments={"alternate-exchange": "theirs"}),
    "dead letter exchange": lambda channel: channel.queue_declare(
        "mine.queue", exclusive=True, arguments={"x-dead-letter-exchange": "theirs"}),
    "binding to their exchange": lambda channel: (
        channel.exchange_declare("mine.destination", auto_delete=True),
        channel.exchange_bind("mine.destination", "amq.fanout")),
    "binding from my exchange": lambda channel: (
        channel.exchange_declare("mine.source", auto_delete=True),
        channel.exchange_bind("amq.fanout", "mine.source")),
    "queue of mine on their exchange": lambda channel: (
        channel.queue_declare("mine.tap", exclusive=True), channel.queue_bind("mine.tap", "amq.fanout")),
}


@operated
@pytest.mark.parametrize("way", REACH)
def test_b22_there_is_no_way_round_to_where_the_user_may_not_write_or_read(limited, way):
    with closes_channel(403, "ACCESS_REFUSED"):
        REACH[way](limited.channel())


@operated
def test_b22_a_cc_header_reaches_no_exchange_but_the_one_published_to(channel, limited, name):
    theirs = name("theirs")
    channel.queue_declare(theirs, exclusive=True)
    sender = limited.channel()
    sender.exchange_declare("mine.copy", "direct", auto_delete=True)
    publish(sender, "key", exchange="mine.copy", headers={"CC": [theirs], "BCC": [theirs]})
    fence_by_declare = sender.queue_declare("mine.fence", exclusive=True)
    assert fence_by_declare and get(channel, theirs) is None


# C. After authentication

@differs_on_rabbitmq("the size is looked at when the whole body is there")
def test_c27_a_message_over_the_limit_is_refused_before_it_is_sent(raw, broker):
    link = raw().open()
    with grows_at_most(broker, 4 * MIB):
        link.send(1, "basic.publish", routing_key="nowhere")
        link.send_frame(wire.HEADER, 1, wire.content_header(2**63))
        with contextlib.suppress(OSError, Gone):
            for _ in range(20):
                link.send_frame(wire.BODY, 1, b"x" * 1000)
        with contextlib.suppress(Gone):
            with pytest.raises(Closed) as caught:
                link.recv()
            assert caught.value.code in {311, 406, 501, 502}
    serves(broker)


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


def test_c28_two_thousand_channels_and_as_many_consumers_are_served(raw, broker):
    link = raw(timeout=30)
    link.start()
    link.start_ok()
    offered = link.tune().channel_max
    link.call(0, "connection.open", vhost=broker.vhost)
    channels = min(offered or 65_535, 2_000)
    with grows_at_most(broker, 100 * MIB):
        for number in range(1, channels + 1):
            link.send(number, "channel.open")
        opened = [link.recv() for _ in range(channels)]
        assert {method.name for method in opened} == {"channel.open-ok"}
        assert {method.channel for method in opened} == set(range(1, channels + 1))
        queue = link.call(1, "queue.declare", exclusive=True).queue
        for index in range(2_000):
            link.send(1, "basic.consume", queue=queue, consumer_tag=f"c{index}")
        for _ in range(2_000):
            link.expect(1, "basic.consume-ok")
    serves(broker)


@operated
def test_c28_a_hash_binding_of_a_wild_weight_is_refused_or_bounded(channel, broker, name):
    """RabbitMQ makes one bucket per unit of weight: 2^31 of them would end it, so it is not asked to."""
    weight = "2147483648" if broker.kind == "chaski" else "1000"
    exchange = name("hash")
    channel.exchange_declare(exchange, "x-consistent-hash", auto_delete=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    with grows_at_most(broker, 8 * MIB), contextlib.suppress(ChannelClosedByBroker):
        channel.queue_bind(queue, exchange, weight)
    serves(broker)


@operated
@differs_on_rabbitmq("each priority is a queue of its own from the start")
def test_c28_priorities_cost_nothing_until_they_are_used(connect, broker):
    channel = connect().channel()
    with grows_at_most(broker, 40 * MIB):
        for _ in range(300):
            channel.queue_declare("", exclusive=True, arguments={"x-max-priority": 255})


@differs_on_rabbitmq("the time grows exponentially with the number of #")
@pytest.mark.parametrize("pattern", ["#.#.#.#.#.#.#.#.#.a", "*.#.*.#", "#.*.#.*.#.*.#.b"])
def test_c29_topic_patterns_that_explode_are_matched_fast(channel, name, pattern):
    exchange, queue = name("topic"), channel.queue_declare("", exclusive=True).method.queue
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    for number in range(300):
        channel.queue_bind(queue, exchange, f"{pattern}.{number}" if number else pattern)
    watch = Stopwatch()
    for _ in range(5):
        publish(channel, "a." * 127, exchange=exchange)
    fence(channel)
    assert watch.seconds < 10


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
    with grows_at_most(broker, 8 * MIB):
        for turn in range(1, 5):
            churn(turn)


@operated
def test_c32_a_consumer_that_never_reads_is_bounded_and_harms_nobody(raw, connect, broker, name):
    queue, other = name("stuck"), name("other")
    channel = connect().channel()
    for each in (queue, other):
        channel.queue_declare(each)
    stuck = raw(receive_buffer=4096).open()
    stuck.call(1, "basic.consume", queue=queue, no_ack=True)
    with grows_at_most(broker, 96 * MIB):
        for _ in range(300):
            channel.basic_publish("", queue, b"x" * 100_000)
        inbox = Inbox(connect().channel(), other, auto_ack=True)
        for _ in range(100):
            publish(channel, other, "prompt")
        inbox.wait(100, within=10)
    stuck.close()
    channel.queue_delete(queue)
    channel.queue_delete(other)


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
