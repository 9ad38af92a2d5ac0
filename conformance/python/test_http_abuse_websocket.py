"""ABUSE.md A.7 to A.9: WebSocket frames that cannot be, doors that are shut, pages of other sites."""

import os
import socket
import struct

import pytest

from harness.memory import MIB, resident
from raw_http import RawHttp, serves_http
from rest import REST_ONLY, Rest, basic

pytestmark = REST_ONLY

ADMINISTRATOR = f"Authorization: {basic('guest', 'guest')}"
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
TEXT, BINARY, CLOSE, PING, MORE = 1, 2, 8, 9, 0


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """One frame, whose head may lie."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    mask = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask | size])
    elif size < 1 << 16:
        head += bytes([mask | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


@pytest.fixture
def path(rest, name):
    return rest.make(name()) + "/ws?credit=0"


def upgrade(broker, path, *headers, within=10):
    link = RawHttp(broker, within)
    link.request(f"GET {path}", [ADMINISTRATOR, *UPGRADE, *headers])
    head = b""
    while b"\r\n\r\n" not in head:
        more = link.socket.recv(1)
        assert more, head
        head += more
    return link, head


def closes(link):
    """The server ends the connection; returns the code of its close frame, if it sent one."""
    seen = link.end(within=10)
    while seen:
        opcode, size = seen[0] & 0x0F, seen[1] & 0x7F
        if opcode == CLOSE:
            return struct.unpack("!H", seen[2:4])[0]
        seen = seen[2 + size:]
    return None


WRONG = {
    "unmasked": frame(TEXT, b"{}", masked=False),
    "RSV1, as if compressed": frame(TEXT, b"\x00" * 8, rsv=0x40),
    "RSV2": frame(TEXT, b"{}", rsv=0x20),
    "RSV3": frame(TEXT, b"{}", rsv=0x10),
    "opcode 3": frame(3, b"{}"),
    "opcode 15": frame(15),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a ping in parts": frame(PING, b"x", fin=False),
    "a close of one byte": frame(CLOSE, b"\x03"),
    "a continuation of nothing": frame(MORE, b"{}"),
    "a text within a text": frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
    "a text that is not UTF-8": frame(TEXT, b"\xff\xfe\xfd"),
    "a frame of 64 KiB and a byte": frame(TEXT, b" " * ((64 << 10) + 1)),
    "a frame of 2^63 - 1 bytes": frame(TEXT, b"{", length=2**63 - 1),
    "a frame of 2^64 - 1 bytes": frame(TEXT, b"{", length=2**64 - 1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a7_a_frame_that_cannot_be_ends_the_socket_and_nothing_else(broker, path, wrong):
    link, head = upgrade(broker, path)
    assert b" 101 " in head
    link.send(WRONG[wrong])
    assert closes(link) in (1002, 1003, 1007, 1008, 1009, None)
    link.close()
    assert serves_http(broker)


def test_a7_parts_that_never_end_are_cut_off_and_cost_little(broker, path):
    before, sent = resident(broker), 0
    link, _ = upgrade(broker, path)
    link.send(frame(TEXT, b" ", fin=False))
    part = frame(MORE, b" " * 1_000, fin=False)
    try:
        while sent < 8 * MIB:
            link.socket.sendall(part)
            sent += len(part)
    except ConnectionError:
        pass
    # The kernel takes some megabytes on its way.
    assert sent < 8 * MIB, "heard to its end"
    assert closes(link) in (1009, None)
    link.close()
    assert resident(broker) - before < 4 * MIB


def test_a7_empty_parts_without_end_are_no_way_to_hold_the_server(broker, path):
    before = resident(broker)
    link, _ = upgrade(broker, path)
    link.send(frame(TEXT, b" ", fin=False))
    link.send(frame(MORE, b"", fin=False) * 200_000)
    assert serves_http(broker)
    assert resident(broker) - before < 16 * MIB
    link.close()


def test_a7_compression_is_never_agreed_on(broker, path):
    link, head = upgrade(broker, path, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert b" 101 " in head and b"extensions" not in head.lower()
    link.close()


def test_a7_pings_without_end_to_a_peer_that_does_not_read_cost_little(broker, path):
    before = resident(broker)
    link, _ = upgrade(broker, path)
    link.socket.settimeout(1)
    flood = frame(PING, b"x" * 125) * 100
    try:
        for _ in range(4_000):
            link.socket.sendall(flood)
    except (ConnectionError, socket.timeout):
        pass
    assert serves_http(broker)
    assert resident(broker) - before < 16 * MIB
    link.close()


@pytest.mark.parametrize("headers", [
    [UPGRADE[0], UPGRADE[1], UPGRADE[2]], [UPGRADE[0], UPGRADE[1], UPGRADE[3]], [UPGRADE[1], UPGRADE[2], UPGRADE[3]],
    [*UPGRADE[:2], "Sec-WebSocket-Version: 8", UPGRADE[3]]], ids=["no key", "no version", "no connection", "old version"])
def test_a7_a_handshake_that_is_not_whole_is_a_problem(broker, path, headers):
    with RawHttp(broker) as link:
        link.request(f"GET {path}", [ADMINISTRATOR, *headers])
        answer = link.answer()
        assert answer.status in (400, 426), answer
        answer.problem(answer.status)


@pytest.mark.parametrize("path", ["/ws", "/mqtt", "/stomp", "/amqp", "/ws/mqtt", "/v1/ws", "/v1/queues/ws"])
def test_a8_a_door_that_is_not_there_is_404(broker, path):
    with RawHttp(broker) as link:
        link.request(f"GET {path}", [ADMINISTRATOR, *UPGRADE, "Sec-WebSocket-Protocol: mqtt"])
        assert link.status() == 404


@pytest.mark.parametrize("origin", [
    "https://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1", "file://", "http://", "evil",
    "https://{host}@evil.example", "https://evil.example/{host}", "https://evil.example:80#{host}", ""])
def test_a9_a_page_of_another_site_may_not_open_a_socket(broker, path, origin):
    with RawHttp(broker) as link:
        link.request(f"GET {path}", [ADMINISTRATOR, *UPGRADE, f"Origin: {origin.format(host=link.host)}"])
        link.answer().problem(403, "site")


def test_a9_a_page_of_this_site_may(broker, path):
    link, head = upgrade(broker, path, f"Origin: {broker.http_url}")
    assert b" 101 " in head
    link.close()


def test_a9_no_answer_opens_itself_to_other_sites(broker):
    rest = Rest(broker)
    for method, path in (("GET", "/v1/queues"), ("OPTIONS", "/v1/queues"), ("GET", "/healthz"), ("GET", "/openapi.json"),
                         ("POST", "/v1/sessions"), ("GET", "/nowhere")):
        answer = rest.call(method, path, headers={
            "Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"})
        assert answer.headers["Access-Control-Allow-Origin"] is None, answer
        assert answer.headers["Access-Control-Allow-Credentials"] is None, answer


def test_a9_who_is_not_logged_in_opens_no_socket(broker, path):
    with RawHttp(broker) as link:
        link.request(f"GET {path}", UPGRADE)
        link.answer().problem(401)
