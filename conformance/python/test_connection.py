"""AMQP.md, 'Connection': the handshake, negotiation, frames out of place, mechanisms, limits, operators' closes."""

import struct

import pika
import pytest
from pika.exceptions import AMQPConnectionError, ConnectionClosedByBroker, ProbableAuthenticationError

from clients import Inbox, closes_channel, closes_connection, differs_on_rabbitmq, fence, get, publish
from harness import wire
from harness.raw import Closed, Gone
from harness.waiting import Stopwatch, eventually

operated = pytest.mark.operated


def amqplain(user, password):
    """An AMQPLAIN response: a field table without its length."""
    return wire.table({"LOGIN": user, "PASSWORD": password})[4:]


def test_first_command_is_start_with_version_at_most_0_9(raw):
    start = raw().start()
    assert (start.version_major, start.version_minor) <= (0, 9)
    assert b"en_US" in start.locales.split()


@pytest.mark.parametrize("header", [b"AMQP\x00\x01\x00\x00", b"AMQP\x01\x01\x00\x0a", b"HTTP/1.1", b"\0" * 8])
def test_unknown_protocol_header_gets_exactly_eight_bytes_and_the_end(raw, header):
    link = raw()
    link.send_bytes(header)
    assert link.rest() == wire.PROTOCOL_HEADER


def test_server_properties_name_a_version_and_the_capabilities(raw):
    properties = wire.plain(raw().start().server_properties)
    major, minor = (int(part) for part in properties["version"].split(".")[:2])
    assert (major, minor) >= (3, 10)
    assert isinstance(properties["product"], str)
    for capability in ["publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
                       "connection.blocked", "consumer_priorities", "authentication_failure_close",
                       "per_consumer_qos", "direct_reply_to"]:
        assert properties["capabilities"][capability] is True, capability


@pytest.mark.parametrize("frame_max", [1, 4095])
def test_frame_max_below_4096_is_refused(raw, frame_max):
    link = raw()
    link.start()
    link.start_ok()
    link.tune(frame_max=frame_max)
    with pytest.raises((Closed, Gone)):
        link.call(0, "connection.open", vhost="/")


def test_frame_max_above_the_servers_is_refused(raw):
    link = raw()
    link.start()
    link.start_ok()
    offered = link.expect(0, "connection.tune")
    link.send(0, "connection.tune-ok", frame_max=offered.frame_max + 1, channel_max=offered.channel_max)
    with pytest.raises((Closed, Gone)):
        link.call(0, "connection.open", vhost="/")


@pytest.mark.parametrize("frame_max", [4096, 70_000])
def test_no_frame_to_the_client_exceeds_its_frame_max(raw, frame_max):
    link = raw().open(frame_max=frame_max)
    queue = link.call(1, "queue.declare", exclusive=True).queue
    body = bytes(range(256)) * 800
    link.publish(1, queue, body)
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    assert link.recv_content(1)[1] == body
    assert frame_max - 8 < link.largest_frame <= frame_max


def test_a_frame_over_frame_max_during_negotiation_is_refused(raw):
    link = raw()
    link.start()
    with pytest.raises((Closed, Gone, ConnectionError)):
        link.start_ok(properties={"huge": "x" * 300_000})
        link.expect(0, "connection.tune")


def test_a_frame_over_the_negotiated_frame_max_is_501(raw):
    link = raw().open(frame_max=8192)
    link.send_frame(wire.METHOD, 1, wire.method("basic.publish", routing_key="nowhere"))
    link.send_frame(wire.HEADER, 1, wire.content_header(9000))
    link.send_frame(wire.BODY, 1, b"x" * 9000)
    assert "FRAME_ERROR" in link.expect_closed(501).reply_text


@differs_on_rabbitmq("frame_max 0 is refused unless the server itself has no limit")
def test_frame_max_zero_means_no_limit_also_for_large_headers(raw):
    link = raw().open(frame_max=0)
    queue = link.call(1, "queue.declare", exclusive=True).queue
    headers = {f"header-{index}": "v" * 1000 for index in range(300)}
    link.publish(1, queue, b"body", headers=headers)
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    properties, body = link.recv_content(1)
    assert wire.plain(properties["headers"]) == headers
    assert body == b"body"


def test_with_heartbeat_of_one_second_the_server_beats_and_drops_a_silent_client(raw):
    link = raw().open(heartbeat=1)
    watch = Stopwatch()
    with pytest.raises((Gone, Closed)):
        link.recv_frame(timeout=8)
    assert 1.4 < watch.seconds < 6
    assert link.heartbeats >= 1


def test_a_client_that_beats_stays(raw):
    link = raw().open(heartbeat=1)
    watch = Stopwatch()
    while watch.seconds < 4.5:
        with pytest.raises(TimeoutError):
            link.recv_frame(timeout=0.5)
        link.send_frame(wire.HEARTBEAT, 0, b"")
    link.fence()
    assert link.heartbeats >= 3


def test_any_traffic_counts_as_a_heartbeat(raw):
    link = raw().open(heartbeat=1)
    watch = Stopwatch()
    while watch.seconds < 3.5:
        with pytest.raises(TimeoutError):
            link.recv_frame(timeout=0.4)
        link.fence()


PUBLISH = wire.frame(wire.METHOD, 1, wire.method("basic.publish", routing_key="nowhere"))
HEADER = wire.frame(wire.HEADER, 1, wire.content_header(4))
BODY = wire.frame(wire.BODY, 1, b"body")
OUT_OF_PLACE = {
    "body_frame_missing": PUBLISH + HEADER + PUBLISH,
    "method_frame_missing": HEADER + BODY,
    "header_frame_missing": PUBLISH + BODY,
    "wrong_class_in_content_header": PUBLISH + wire.frame(wire.HEADER, 1, wire.content_header(4, class_id=50)) + BODY,
    "heartbeat_on_a_channel": wire.frame(wire.HEARTBEAT, 1, b""),
}


@pytest.mark.parametrize("sequence", OUT_OF_PLACE)
def test_a_frame_out_of_place_is_505_unexpected_frame(raw, sequence):
    link = raw().open()
    link.send_bytes(OUT_OF_PLACE[sequence])
    assert "UNEXPECTED_FRAME" in link.expect_closed(505).reply_text


@pytest.mark.parametrize("kind", [0, 4, 9, 255])
def test_unknown_frame_type_is_501(raw, kind):
    link = raw().open()
    link.send_frame(kind, 1, b"")
    assert "FRAME_ERROR" in link.expect_closed(501).reply_text


def test_a_wrong_frame_end_octet_is_501(raw):
    link = raw().open()
    link.send_frame(wire.METHOD, 1, wire.method("channel.flow", active=True), end=0)
    link.expect_closed(501)


def test_a_method_on_a_channel_that_is_not_open_is_504(raw):
    link = raw().open()
    link.send(7, "tx.select")
    assert "CHANNEL_ERROR" in link.expect_closed(504).reply_text


def test_opening_a_channel_twice_is_504(raw):
    link = raw().open()
    link.send(1, "channel.open")
    link.expect_closed(504)


@differs_on_rabbitmq("the connection is reset without a word")
def test_an_unknown_method_closes_the_connection(raw):
    link = raw().open()
    link.send_frame(wire.METHOD, 1, struct.pack(">HH", 60, 250))
    link.expect_closed({503, 540, 501, 502})


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
def test_mechanism_is_offered_and_succeeds(raw, broker, mechanism):
    link = raw()
    assert mechanism.encode() in link.start().mechanisms.split()
    user, password = broker.username, broker.password
    response = amqplain(user, password) if mechanism == "AMQPLAIN" else f"\0{user}\0{password}".encode()
    link.start_ok(mechanism, response)
    link.tune()
    link.call(0, "connection.open", vhost=broker.vhost)


WRONG = {"PLAIN": b"\0guest\0wrong", "AMQPLAIN": amqplain("guest", "wrong")}


@pytest.mark.parametrize("mechanism", WRONG)
def test_failed_login_is_403_for_a_client_with_the_capability(raw, mechanism):
    link = raw()
    link.start()
    link.start_ok(mechanism, WRONG[mechanism], capabilities=["authentication_failure_close"])
    closing = link.expect_closed(403)
    assert "ACCESS_REFUSED" in closing.reply_text
    assert mechanism in closing.reply_text


@pytest.mark.parametrize("mechanism", WRONG)
def test_failed_login_is_a_silent_close_without_the_capability(raw, mechanism):
    link = raw()
    link.start()
    link.start_ok(mechanism, WRONG[mechanism])
    assert link.rest() == b""


def test_pika_names_a_failed_login(connect):
    with pytest.raises(ProbableAuthenticationError):
        connect(password="wrong")


def test_an_unoffered_mechanism_is_refused(raw):
    link = raw()
    link.start()
    link.start_ok("X-NO-SUCH", b"", capabilities=["authentication_failure_close"])
    with pytest.raises((Closed, Gone)):
        link.expect(0, "connection.tune")


def test_challenge_and_response_work_where_they_are_offered(raw, broker):
    link = raw()
    if b"RABBIT-CR-DEMO" not in link.start().mechanisms.split():
        link.start_ok("RABBIT-CR-DEMO", broker.username.encode(), capabilities=["authentication_failure_close"])
        with pytest.raises((Closed, Gone)):
            link.expect(0, "connection.secure", "connection.tune")
        return
    link.start_ok("RABBIT-CR-DEMO", broker.username.encode())
    link.expect(0, "connection.secure")
    link.send(0, "connection.secure-ok", response=b"My password is " + broker.password.encode())
    link.tune()
    link.call(0, "connection.open", vhost=broker.vhost)


def test_an_unknown_vhost_is_530(raw):
    link = raw()
    link.start()
    link.start_ok()
    link.tune()
    link.send(0, "connection.open", vhost="no-such-vhost")
    closing = link.expect_closed(530)
    assert "NOT_ALLOWED" in closing.reply_text and "no-such-vhost" in closing.reply_text


def test_a_channel_beyond_channel_max_is_530(raw):
    link = raw().open(channel_max=3, channels=3)
    link.send(4, "channel.open")
    assert "NOT_ALLOWED" in link.expect_closed(530).reply_text


def test_channel_numbers_can_be_used_again(raw):
    link = raw().open(channel_max=1)
    for _ in range(50):
        link.call(1, "channel.close", reply_code=200)
        link.call(1, "channel.open")
    link.fence()


def test_connection_close_is_answered(raw):
    link = raw().open()
    link.call(0, "connection.close", reply_code=200)


def test_channel_flow_is_answered(raw):
    assert raw().open().call(1, "channel.flow", active=True).active is True


def test_frames_in_the_smallest_pieces_are_understood(raw, broker):
    link = raw()
    link.start()
    whole = wire.frame(wire.METHOD, 0, wire.method(
        "connection.start-ok", mechanism="PLAIN", locale="en_US",
        response=f"\0{broker.username}\0{broker.password}".encode()))
    for byte in whole:
        link.send_bytes(bytes([byte]))
    link.tune()


def test_the_whole_handshake_may_come_in_one_piece(raw, broker):
    link = raw()
    methods = [
        (0, wire.method("connection.start-ok", mechanism="PLAIN", locale="en_US",
                        response=f"\0{broker.username}\0{broker.password}".encode())),
        (0, wire.method("connection.tune-ok", channel_max=10, frame_max=131072)),
        (0, wire.method("connection.open", vhost=broker.vhost)),
        (1, wire.method("channel.open")),
    ]
    frames = b"".join(wire.frame(wire.METHOD, channel, payload) for channel, payload in methods)
    link.send_bytes(wire.PROTOCOL_HEADER + frames)
    for expected in ["connection.start", "connection.tune", "connection.open-ok", "channel.open-ok"]:
        assert link.recv().name == expected


@operated
def test_tls_carries_the_same_protocol(raw):
    link = raw(tls=True).open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    link.publish(1, queue, b"over TLS")
    link.send(1, "basic.get", queue=queue, no_ack=True)
    link.expect(1, "basic.get-ok")
    assert link.recv_content(1)[1] == b"over TLS"


@operated
def test_memory_alarm_blocks_publishers_and_serves_consumers(raw, connect, ctl, name):
    queue = name()
    channel = connect().channel()
    channel.queue_declare(queue)
    publish(channel, queue, "before")
    fence(channel)
    publisher = raw().open(capabilities=["connection.blocked"])
    ctl.alarm_set()
    try:
        publisher.publish(1, queue, b"during")
        publisher.expect(0, "connection.blocked")
        inbox = Inbox(channel, queue, auto_ack=True)
        inbox.wait(1)
        inbox.stays_at(1)
        assert inbox.texts == ["before"]
    finally:
        ctl.alarm_clear()
    publisher.expect(0, "connection.unblocked")
    inbox.wait(2)
    assert inbox.texts == ["before", "during"]


@operated
def test_update_secret_is_answered(raw):
    raw().open().call(0, "connection.update-secret", new_secret=b"another", reason="rotation")


@operated
def test_configure_write_and_read_patterns_are_kept(connect, connection, user, name):
    prefix = name("allowed")
    channel = connection.channel()
    channel.queue_declare(prefix + ".read")
    channel.queue_declare(prefix + ".write")
    account = user(configure=f"^{prefix}$", write=f"^{prefix}\\.write$|^amq\\.default$", read=f"^{prefix}\\.read$")
    limited = connect(account, "secret")
    limited.channel().queue_declare(prefix)
    with closes_channel(403, "ACCESS_REFUSED"):
        limited.channel().queue_declare(prefix + "x")
    with closes_channel(403, "ACCESS_REFUSED"):
        limited.channel().exchange_declare("other")
    with closes_channel(403):
        limited.channel().queue_delete(prefix + ".read")
    assert get(limited.channel(), prefix + ".read") is None
    with closes_channel(403, "ACCESS_REFUSED"):
        limited.channel().basic_get(prefix + ".write")
    with closes_channel(403):
        limited.channel().basic_consume(prefix + ".write", print)
    with closes_channel(403):
        limited.channel().queue_purge(prefix + ".write")
    with closes_channel(403):
        limited.channel().queue_bind(prefix + ".write", "amq.direct", "key")
    with closes_channel(403, "amq.topic"):
        refused = limited.channel()
        publish(refused, "key", exchange="amq.topic")
        fence(refused)
    allowed = limited.channel()
    publish(allowed, prefix + ".write")
    fence(allowed)


@operated
def test_topic_permissions_are_kept_per_routing_key(connect, connection, user, ctl, name):
    exchange = name("topics")
    connection.channel().exchange_declare(exchange, "topic")
    account = user(".*", ".*", ".*")
    ctl.topic_permission_set(account, exchange, write="^mine\\.", read="^mine\\.")
    limited = connect(account, "secret")
    channel = limited.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "mine.*")
    publish(channel, "mine.one", "ok", exchange=exchange)
    assert get(channel, queue).text == "ok"
    with closes_channel(403, "ACCESS_REFUSED"):
        publish(channel, "theirs.one", exchange=exchange)
        fence(channel)
    with closes_channel(403, "ACCESS_REFUSED"):
        limited.channel().queue_bind(queue, exchange, "theirs.*")


@operated
def test_a_user_without_permissions_cannot_open_the_vhost(raw, user):
    account = user()
    link = raw()
    link.start()
    link.start_ok(response=f"\0{account}\0secret".encode())
    link.tune()
    link.send(0, "connection.open", vhost="/")
    assert "NOT_ALLOWED" in link.expect_closed(530).reply_text


@operated
def test_virtual_hosts_are_separate(connect, connection, ctl, name):
    queue, vhost = name(), name("vhost")
    ctl.vhost_add(vhost)
    try:
        ctl.permission_set("guest", vhost)
        connection.channel().queue_declare(queue)
        inside = connect(vhost=vhost)
        with closes_channel(404):
            inside.channel().queue_declare(queue, passive=True)
        inside.channel().queue_declare(queue)
        publish(inside.channel(), queue, "here")
        assert eventually(lambda: get(inside.channel(), queue)).text == "here"
        assert get(connection.channel(), queue) is None
    finally:
        ctl.vhost_delete(vhost)
    with pytest.raises((ConnectionClosedByBroker, AMQPConnectionError)):
        inside.channel()


@operated
def test_an_operator_closes_a_connection_with_320(connect, ctl, name):
    client = name("client")
    connection = connect(client_properties={"connection_name": client})
    eventually(lambda: client in ctl.connection_names(), what="the connection is listed")
    ctl.connection_close(client, "spring cleaning")
    with closes_connection(320, "CONNECTION_FORCED", "spring cleaning"):
        connection.sleep(10)


@operated
@differs_on_rabbitmq("an open connection outlives its user's permission; only its operations fail")
def test_delivery_stops_when_the_permission_is_taken_away(connect, connection, user, ctl, name):
    queue = name()
    channel = connection.channel()
    channel.queue_declare(queue)
    account = user("", "", ".*")
    consumer = connect(account, "secret")
    inbox = Inbox(consumer.channel(), queue, auto_ack=True)
    publish(channel, queue, "one")
    inbox.wait(1)
    ctl.permission_clear(account)

    def cut():
        publish(channel, queue, "more")
        try:
            inbox.pump()
        except pika.exceptions.AMQPError:
            return True
        return False

    eventually(cut, within=3, what="the consumer is cut off")
