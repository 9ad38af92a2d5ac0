"""ABUSE.md A as far as it concerns AMQP: bad bytes and bad logins of peers that nobody knows yet.

Memory is read from /proc where the suite knows the process; the limits are Chaski's.
"""

import contextlib
import multiprocessing
import resource
import select
import socket
import statistics
import struct
import time

import pytest

from abuse import refused, refused_or_ignored, round_trip, serves
from clients import differs_on_rabbitmq
from harness import elsewhere, wire
from harness.memory import KIB, MIB, costs_at_most, resident
from harness.raw import Closed, Gone
from harness.waiting import Stopwatch, pause

operated = pytest.mark.operated
# A connection that is open but not logged in: its task, its session and its buffers.
HANDSHAKE_COST = 24 * KIB
# One that is logged in, with a channel.
CONNECTION_COST = 32 * KIB


def test_a1_a_connection_that_says_nothing_is_closed_after_ten_seconds(raw, broker):
    silent = raw()
    watch = Stopwatch()
    assert silent.rest(timeout=20) in (b"", wire.PROTOCOL_HEADER)
    assert 5 < watch.seconds < 15
    serves(broker)


@differs_on_rabbitmq("TLS and AMQP have ten seconds together")
@operated
def test_a1_a_peer_that_says_nothing_of_tls_is_closed_after_five_seconds(broker):
    watch = Stopwatch()
    with socket.create_connection((broker.host, broker.tls_port), timeout=20) as silent:
        assert silent.recv(1) == b""
    assert 4 < watch.seconds < 7


def crowd(address, size, progress):
    """Opens that many connections, says nothing, and waits until the broker has closed them all.

    Sends on `progress` when they are open, and at the end how long the first and the last of them lived.
    """
    born, ages = {}, []
    poll = select.epoll()
    for index in range(size):
        # From many addresses, so that no run is short of ports.
        each = socket.create_connection(address, timeout=20, source_address=(f"127.0.{index % 16}.2", 0))
        born[each.fileno()] = (each, time.monotonic())
        poll.register(each, select.EPOLLIN)
    progress.send("open")
    while born:
        ready = poll.poll(20)
        assert ready, f"{len(born)} are still open"
        for number, _ in ready:
            each, since = born.pop(number)
            assert each.recv(16) == b""
            ages.append(time.monotonic() - since)
            each.close()
    progress.send((min(ages), max(ages)))


@differs_on_rabbitmq("a process for each; its memory is not known here")
@operated
def test_a1_ten_thousand_silent_connections_cost_little_and_delay_nobody(broker, raw):
    """All of them cost < 40 MiB and are closed at ten seconds; a good client is delayed by at most 50 ms."""
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As many as this process may have descriptors for, and the bound with them.
    size = 10_000 if hard == resource.RLIM_INFINITY else min(10_000, hard - 500)
    assert size >= 1_000, f"needs 1,500 file descriptors, and this process may have {hard}: raise `ulimit -Hn`"
    good = raw().open()
    queue = good.call(1, "queue.declare", exclusive=True).queue

    def trips():
        return [round_trip(good, queue) for _ in range(40)]

    trips()
    quiet = [trips() for _ in range(9)]
    before = resident(broker)
    progress, sender = multiprocessing.Pipe()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    strangers = multiprocessing.get_context("fork").Process(target=crowd, args=((broker.host, broker.port), size, sender))
    strangers.start()
    try:
        coming = []
        while not progress.poll():
            coming.append(trips())
        assert progress.recv() == "open"
        grown = resident(broker) - before
        there = [trips() for _ in range(9)]
        going = []
        while not progress.poll():
            going = [*going[-100:], trips()]
        youngest, oldest = progress.recv()
    finally:
        strangers.join(20)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    assert strangers.exitcode == 0
    assert grown < size * 40 * MIB / 10_000, f"{grown / MIB:.1f} MiB for {size}"
    assert 9.9 < youngest and oldest < 13, f"they lived {youngest:.2f} to {oldest:.2f} s"
    # Of each batch the worst and the middle; of all batches the median, so that another program's burst does not count.
    for measure in (max, statistics.median):
        usual = statistics.median(map(measure, quiet))
        for name, batches in (("coming", coming), ("there", there), ("going", going)):
            delay = statistics.median(map(measure, batches)) - usual
            assert delay < 0.050, f"{delay * 1000:.1f} ms more while they are {name}"


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


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 131073, 8185, 0], ids=hex)
def test_a3_a_frame_of_a_wild_size_before_authentication_is_refused(raw, broker, size):
    """For no more than the handshake's own buffers: what is allocated is counted to the byte in `session/tests/allocation.rs`."""

    def attempt():
        link = raw()
        link.start()
        link.send_bytes(struct.pack(">BHI", wire.METHOD, 0, size) + b"\xce" * 8)
        refused(link, {501, 502, 503, 505})
        return link

    costs_at_most(broker, HANDSHAKE_COST, attempt)
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


def bad_start_ok(raw, table):
    """A connection that sends these client properties."""

    def attempt():
        link = raw()
        link.start()
        link.send_bytes(start_ok_with(table))
        refused(link, {501, 502, 503, 541})
        return link

    return attempt


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a5_a_bad_table_before_authentication_is_refused(raw, broker, case):
    costs_at_most(broker, HANDSHAKE_COST, bad_start_ok(raw, BAD_TABLES[case]))
    serves(broker)


@differs_on_rabbitmq("any depth is taken")
def test_a5_tables_a_thousand_deep_are_refused(raw, broker):
    costs_at_most(broker, HANDSHAKE_COST, bad_start_ok(raw, nested(1000)))
    serves(broker)


@differs_on_rabbitmq("a frame may have 128 KiB before authentication")
def test_a5_properties_of_thousands_of_fields_cost_what_they_have_in_bytes(raw, broker):
    """Good ones, until their login is refused: decoded they would take thirty times as much."""

    def attempt():
        link = raw()
        link.start()
        table = wire.long_string(b"\x00V" * 4_000)
        link.send_bytes(start_ok_with(table))
        link.tune()
        return link

    costs_at_most(broker, HANDSHAKE_COST + 8 * KIB, attempt)


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a5_a_bad_table_in_the_headers_of_a_message_is_refused(raw, broker, case):
    header = struct.pack(">HHQH", 60, 0, 0, 1 << 13) + BAD_TABLES[case]

    def attempt():
        link = raw().open()
        link.send(1, "basic.publish", routing_key="nowhere")
        link.send_frame(wire.HEADER, 1, header)
        with contextlib.suppress(Closed):
            refused_or_ignored(link)
        return link

    costs_at_most(broker, CONNECTION_COST, attempt, rounds=100)
    serves(broker)


@operated
@differs_on_rabbitmq("a table may hold any number of values")
@pytest.mark.parametrize("count", [12_287, 12_288, 60_000])
def test_a5_a_table_holds_so_many_values_and_no_more(raw, count):
    """The array is a value itself; memory for all the most costly shapes is counted in `session/tests/allocation.rs`."""
    link = raw().open()
    link.send(1, "queue.declare", exclusive=True, arguments={"x-list": [None] * count})
    if count < 12_288:
        link.expect(1, "queue.declare-ok")
    else:
        assert link.expect_closed(502).reply_code == 502


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
@pytest.mark.parametrize("listen", ["0.0.0.0", "[::]"])
def test_a14_guest_is_let_in_from_this_machine_only(broker, listen):
    """Although the broker listens everywhere; by IPv6 the peers are ::ffff:192.0.2.1, ::ffff:127.0.0.1 and ::1."""
    if not elsewhere.is_possible():
        pytest.skip("no network namespace can be made here")
    here = ["127.0.0.1", "127.1.2.3", *(["::1"] if listen == "[::]" else [])]
    seen = elsewhere.report(broker.kind, listen, [elsewhere.OUTSIDE, *here])
    assert seen["ordinary"] == dict.fromkeys([elsewhere.OUTSIDE, *here], "open")
    assert {address: seen["guest"][address] for address in here} == dict.fromkeys(here, "open")
    assert seen["guest"][elsewhere.OUTSIDE] == (
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.")


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
