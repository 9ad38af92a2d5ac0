"""ABUSE.md A as far as it concerns HTTP: slow peers, requests that two readers would read differently, floods."""

import threading

import h2.config
import h2.connection
import h2.exceptions
import pytest

from harness.memory import MIB, resident
from harness.waiting import Stopwatch, eventually
from raw_http import RawHttp, serves_http
from rest import REST_ONLY, basic, queue_path

pytestmark = REST_ONLY

ADMINISTRATOR = f"Authorization: {basic('guest', 'guest')}"
JSON = "Content-Type: application/json"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# What is sent first, what is sent every half second, and after how many seconds it must be over.
SLOW = {
    "nothing at all": (b"", b"", 14),
    "a head, byte by byte": (b"GET /healthz HTTP/1.1\r\nA: ", b"a", 14),
    "half a head": (b"GET /healthz HTTP/1.1\r\n", b"", 14),
    "half of HTTP/2's preface": (b"PRI * HT", b"", 14),
    "no settings behind HTTP/2's preface": (PREFACE, b"", 14),
    "nothing after an answer": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"", 14),
    "half a head of a WebSocket": (b"GET /v1/queues/q/ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ", b"a", 14),
    "a stranger's body, byte by byte": (
        f"POST /v1/sessions HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: 5000\r\n\r\n{{".encode(), b" ", 30),
    "a stranger's body that does not come": (
        f"POST /v1/accounts HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: 5000\r\n\r\n{{".encode(), b"", 30),
    "an account's body, byte by byte": (
        f"PUT /v1/queues/x HTTP/1.1\r\nHost: x\r\n{ADMINISTRATOR}\r\n{JSON}\r\nContent-Length: 5000\r\n\r\n{{".encode(), b" ", 30),
    "chunks of one byte": (
        f"PUT /v1/queues/x HTTP/1.1\r\nHost: x\r\n{ADMINISTRATOR}\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
        b"1\r\n \r\n", 50),
    "an extension of a chunk, byte by byte": (
        f"PUT /v1/queues/x HTTP/1.1\r\nHost: x\r\n{ADMINISTRATOR}\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n1;".encode(),
        b"a", 50),
}


def dribble(broker, first, more, limit, seconds):
    """Sends slowly until the server closes or the limit has passed; notes how long that took."""
    watch = Stopwatch()
    with RawHttp(broker, within=0.5) as link:
        link.send(first)
        while watch.seconds < limit:
            try:
                if not link.socket.recv(1 << 16):
                    break
            except TimeoutError:
                link.send(more)
            except ConnectionError:
                break
    seconds.append(watch.seconds)


@pytest.mark.timeout(90)
def test_a2_every_slow_peer_is_gone_in_time_and_holds_nobody_up(broker):
    took = {label: [] for label in SLOW}
    threads = [threading.Thread(target=dribble, args=(broker, *SLOW[label], took[label])) for label in SLOW]
    for each in threads:
        each.start()
    assert serves_http(broker)
    for each in threads:
        each.join(80)
    late = {label: seconds for label, seconds in took.items() if not seconds or seconds[0] >= SLOW[label][2]}
    assert not late, f"still open: {list(late)}"


@pytest.mark.parametrize("headers", [
    ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5, 6"], ["Content-Length: +5"], ["Content-Length: -5"],
    ["Content-Length: 0x5"], ["Content-Length: 5 5"], ["Content-Length: 99999999999999999999999"], ["Content-Length: "],
    ["Transfer-Encoding: chunked, identity"], ["Transfer-Encoding: xchunked"], ["Transfer-Encoding : chunked"],
    ["Transfer-Encoding: identity"], ["X: a\r\n folded"], ["Content-Length: 5\r\n\t6"], ["X\0Y: a"], ["X: a\0b"], [": empty"],
    ["no colon"]], ids=repr)
def test_a15_a_head_that_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_done(rest, broker, name, headers):
    queue = name()
    path = rest.make(queue)
    hidden = f"DELETE {path} HTTP/1.1\r\nHost: x\r\n{ADMINISTRATOR}\r\n\r\n".encode()
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, *headers], b"hello" + hidden)
        assert link.status() in (400, 501, None)
        link.end()
    assert rest.get(path).status == 200


def test_a15_a_length_beside_chunks_ends_the_connection_with_its_answer(rest, broker, name):
    """RFC 9112, section 6.1: whatever is done with such a request, nothing that follows it on the connection is one."""
    path = rest.make(name())
    hidden = f"DELETE {path} HTTP/1.1\r\nHost: x\r\n{ADMINISTRATOR}\r\n\r\n".encode()
    for headers in (["Content-Length: 4", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 400"]):
        with RawHttp(broker) as link:
            link.request(f"POST {path}/messages", [ADMINISTRATOR, *headers], b"0\r\n\r\n" + hidden)
            assert link.status() in (201, 400, 501, None)
            link.end()
        assert rest.get(path).status == 200, headers


@pytest.mark.parametrize("chunks", [
    b"5;\r\nhello\r\n0\r\n\r\n", b"-1\r\n", b"ffffffffffffffffffff\r\n", b"5\r\nhelloX", b"g\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"])
def test_a15_wrong_chunks_are_refused_or_read_as_one_message(rest, broker, name, chunks):
    queue = name()
    path = rest.make(queue)
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, "Transfer-Encoding: chunked", "Connection: close"], chunks)
        assert link.status() in (201, 400, None)
    assert [message["body"] for message in rest.pull(queue, max=9)] in ([], ["hello"])


@pytest.mark.parametrize("headers", [
    ["X-Large: " + "a" * (64 << 10)], [f"X-{number}: a" for number in range(10_000)], ["X" * 70_000 + ": a"],
    ["Cookie: " + "a=b; " * 20_000]], ids=["64 KiB value", "10,000 headers", "long name", "100 KB cookie"])
def test_a15_a_head_without_measure_is_refused(broker, headers):
    with RawHttp(broker) as link:
        link.request("GET /healthz", headers)
        assert link.status() in (400, 431, None)
    assert serves_http(broker)


def test_a15_a_path_without_measure_is_refused(broker):
    with RawHttp(broker) as link:
        link.request("GET /v1/queues/" + "a" * 100_000)
        assert link.status() in (400, 401, 404, 414, 431, None)
    assert serves_http(broker)


def test_a15_a_body_that_announces_100_mib_is_refused_before_it_comes(rest, broker, name):
    path = rest.make(name())
    for line in (f"POST {path}/messages", f"POST {path}/messages/batch", f"PUT {path}", "POST /v1/sessions"):
        with RawHttp(broker) as link:
            watch = Stopwatch()
            link.request(line, [ADMINISTRATOR, JSON, f"Content-Length: {100 * MIB}"], b"only this")
            assert link.answer().problem(413)
            assert watch.seconds < 5


@pytest.mark.parametrize("line, headers, status", [
    ("POST {path}/messages", [ADMINISTRATOR], 413), ("POST {path}/messages", [], 401), ("POST /v1/nowhere", [ADMINISTRATOR], 404),
    ("PUT {path}", [ADMINISTRATOR, JSON], 413)])
def test_a15_whoever_sends_all_before_it_reads_is_told_why_it_was_refused(rest, broker, name, line, headers, status):
    path = rest.make(name())
    body = b"x" * (40 * MIB)
    for _ in range(3):
        with RawHttp(broker) as link:
            head = [line.format(path=path) + " HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(body)}"]
            link.socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
            link.socket.sendall(body)
            assert link.answer().problem(status)


def test_a15_chunks_a_little_over_the_limit_are_read_before_the_refusal(rest, broker, name):
    path = rest.make(name())
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, "Transfer-Encoding: chunked"])
        link.socket.sendall((b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * (20 * MIB // 0x10000) + b"0\r\n\r\n")
        assert link.answer().problem(413)


@pytest.mark.parametrize("length", [2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_c27_a_body_that_announces_more_than_there_is_memory_costs_nothing(rest, broker, name, length):
    path = rest.make(name())
    before = resident(broker)
    for _ in range(20):
        with RawHttp(broker) as link:
            link.request(f"POST {path}/messages", [ADMINISTRATOR, f"Content-Length: {length}"], b"x")
            assert link.status() in (400, 413, 431, None)
    assert resident(broker) - before < 8 * MIB


def test_a15_a_body_beyond_its_length_is_no_part_of_the_message(rest, broker, name):
    queue = name()
    path = rest.make(queue)
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, "Content-Length: 5"], b"hello" + b"x" * 200_000)
        assert link.answer().status == 201
        assert link.status() in (400, 414, 431, None)
    assert rest.pull(queue, max=9)[0]["body"] == "hello"


def test_a15_chunks_without_end_are_cut_off_at_the_limit_of_a_message(rest, broker, name):
    path = rest.make(name())
    before, sent = resident(broker), 0
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, "Transfer-Encoding: chunked"])
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            while sent < 100 * MIB:
                link.socket.sendall(chunk)
                sent += len(chunk)
        except ConnectionError:
            pass
        assert link.status() in (413, None)
    # What the kernel buffered on its way comes on top of the limit of 16 MiB.
    assert sent < 40 * MIB
    assert resident(broker) - before < 80 * MIB
    assert rest.pull(path.rsplit("/", 1)[1]) == []


def test_a15_half_a_body_publishes_nothing(rest, broker, name):
    queue = name()
    path = rest.make(queue)
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, "Content-Length: 10"], b"half")
    with RawHttp(broker) as link:
        link.request(f"POST {path}/messages", [ADMINISTRATOR, "Transfer-Encoding: chunked"], b"4\r\nhalf\r\n")
    rest.publish(queue, "fence")
    assert [message["body"] for message in rest.pull(queue, max=9)] == ["fence"]


class Http2:
    """A connection of HTTP/2 without any manners of its own."""

    def __init__(self, broker):
        self.link = RawHttp(broker)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.link.socket.sendall(self.h2.data_to_send())

    def ask(self, stream, path="/v1/queues", end=True):
        self.h2.send_headers(stream, [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", self.link.host),
                                      ("authorization", basic("guest", "guest"))], end_stream=end)


def refused_or_done(act):
    """Whether the server ended the connection meanwhile."""
    try:
        act()
    except (ConnectionError, h2.exceptions.ProtocolError):
        return True
    return False


def test_a15_rapid_resets_of_http2_cost_the_server_little(broker):
    before = resident(broker)

    def flood():
        client = Http2(broker)
        for number in range(20_000):
            client.ask(1 + 2 * number, end=True)
            client.h2.reset_stream(1 + 2 * number)
            client.flush()
        client.link.close()

    watch = Stopwatch()
    ended = [refused_or_done(flood) for _ in range(3)]
    assert watch.seconds < 30
    assert serves_http(broker)
    assert all(ended), "the flood was heard to its end"
    assert resident(broker) - before < 64 * MIB


def test_a15_continuation_frames_without_end_are_cut_off(broker):
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    before, sent = resident(broker), 0
    with RawHttp(broker) as link:
        link.send(PREFACE + frame(4, 0, 0, b"") + frame(1, 0, 1, b"\x82"))
        # A literal header, never indexed: a name and a value of 100 bytes each.
        more = frame(9, 0, 1, (b"\x10\x64" + b"n" * 100 + b"\x64" + b"v" * 100) * 80)
        try:
            while sent < 32 * MIB:
                link.socket.sendall(more)
                sent += len(more)
        except ConnectionError:
            pass
        assert sent < 16 * MIB, "heard to its end"
    assert serves_http(broker)
    assert resident(broker) - before < 32 * MIB


def test_a15_streams_of_http2_beyond_their_limit_are_refused(broker):
    client = Http2(broker)
    eventually(lambda: client.h2.receive_data(client.link.socket.recv(1 << 16)))
    assert client.h2.remote_settings.max_concurrent_streams <= 1_000
    assert client.h2.remote_settings.max_header_list_size <= 128 << 10
    client.link.close()


def test_http2_serves_the_same_interface(rest, broker, name):
    path = queue_path(name())
    rest.put(path, {}).ok(201)
    client, body = Http2(broker), b""
    client.ask(1, path)
    client.flush()
    while True:
        for event in client.h2.receive_data(client.link.socket.recv(1 << 16)):
            if isinstance(event, h2.events.DataReceived):
                body += event.data
            if isinstance(event, h2.events.StreamEnded):
                assert b'"name"' in body
                return client.link.close()
