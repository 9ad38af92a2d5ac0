"""AMQP 0-9-1 as bytes: frames, methods, field tables and content headers, written out by hand.

Independent of every client library, so that a test can send what no library would.
"""

import io
import struct
from dataclasses import dataclass, field

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE

# name: (class id, method id, fields). Types: o octet, h short, l long, q longlong, s short string, S long string,
# b bit, t table.
METHODS = {
    "connection.start": (10, 10, "o:version_major o:version_minor t:server_properties S:mechanisms S:locales"),
    "connection.start-ok": (10, 11, "t:client_properties s:mechanism S:response s:locale"),
    "connection.secure": (10, 20, "S:challenge"),
    "connection.secure-ok": (10, 21, "S:response"),
    "connection.tune": (10, 30, "h:channel_max l:frame_max h:heartbeat"),
    "connection.tune-ok": (10, 31, "h:channel_max l:frame_max h:heartbeat"),
    "connection.open": (10, 40, "s:vhost s:reserved1 b:reserved2"),
    "connection.open-ok": (10, 41, "s:reserved1"),
    "connection.close": (10, 50, "h:reply_code s:reply_text h:class_id h:method_id"),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "s:reason"),
    "connection.unblocked": (10, 61, ""),
    "connection.update-secret": (10, 70, "S:new_secret s:reason"),
    "connection.update-secret-ok": (10, 71, ""),
    "channel.open": (20, 10, "s:reserved1"),
    "channel.open-ok": (20, 11, "S:reserved1"),
    "channel.flow": (20, 20, "b:active"),
    "channel.flow-ok": (20, 21, "b:active"),
    "channel.close": (20, 40, "h:reply_code s:reply_text h:class_id h:method_id"),
    "channel.close-ok": (20, 41, ""),
    "exchange.declare": (
        40, 10, "h:ticket s:exchange s:type b:passive b:durable b:auto_delete b:internal b:nowait t:arguments"),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "h:ticket s:exchange b:if_unused b:nowait"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (40, 30, "h:ticket s:destination s:source s:routing_key b:nowait t:arguments"),
    "exchange.bind-ok": (40, 31, ""),
    "queue.declare": (50, 10, "h:ticket s:queue b:passive b:durable b:exclusive b:auto_delete b:nowait t:arguments"),
    "queue.declare-ok": (50, 11, "s:queue l:message_count l:consumer_count"),
    "queue.bind": (50, 20, "h:ticket s:queue s:exchange s:routing_key b:nowait t:arguments"),
    "queue.bind-ok": (50, 21, ""),
    "queue.unbind": (50, 50, "h:ticket s:queue s:exchange s:routing_key t:arguments"),
    "queue.unbind-ok": (50, 51, ""),
    "exchange.unbind": (40, 40, "h:ticket s:destination s:source s:routing_key b:nowait t:arguments"),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.purge": (50, 30, "h:ticket s:queue b:nowait"),
    "queue.purge-ok": (50, 31, "l:message_count"),
    "queue.delete": (50, 40, "h:ticket s:queue b:if_unused b:if_empty b:nowait"),
    "queue.delete-ok": (50, 41, "l:message_count"),
    "basic.qos": (60, 10, "l:prefetch_size h:prefetch_count b:global"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (
        60, 20, "h:ticket s:queue s:consumer_tag b:no_local b:no_ack b:exclusive b:nowait t:arguments"),
    "basic.consume-ok": (60, 21, "s:consumer_tag"),
    "basic.cancel": (60, 30, "s:consumer_tag b:nowait"),
    "basic.cancel-ok": (60, 31, "s:consumer_tag"),
    "basic.publish": (60, 40, "h:ticket s:exchange s:routing_key b:mandatory b:immediate"),
    "basic.return": (60, 50, "h:reply_code s:reply_text s:exchange s:routing_key"),
    "basic.deliver": (60, 60, "s:consumer_tag q:delivery_tag b:redelivered s:exchange s:routing_key"),
    "basic.get": (60, 70, "h:ticket s:queue b:no_ack"),
    "basic.get-ok": (60, 71, "q:delivery_tag b:redelivered s:exchange s:routing_key l:message_count"),
    "basic.get-empty": (60, 72, "s:reserved1"),
    "basic.ack": (60, 80, "q:delivery_tag b:multiple"),
    "basic.reject": (60, 90, "q:delivery_tag b:requeue"),
    "basic.recover-async": (60, 100, "b:requeue"),
    "basic.recover": (60, 110, "b:requeue"),
    "basic.recover-ok": (60, 111, ""),
    "basic.nack": (60, 120, "q:delivery_tag b:multiple b:requeue"),
    "confirm.select": (85, 10, "b:nowait"),
    "confirm.select-ok": (85, 11, ""),
    "tx.select": (90, 10, ""),
    "tx.select-ok": (90, 11, ""),
    "tx.commit": (90, 20, ""),
    "tx.commit-ok": (90, 21, ""),
    "tx.rollback": (90, 30, ""),
    "tx.rollback-ok": (90, 31, ""),
}
NAMES = {(class_id, method_id): name for name, (class_id, method_id, _) in METHODS.items()}
DEFAULTS = {"s": "", "S": b"", "t": {}, "b": False, "o": 0, "h": 0, "l": 0, "q": 0}
NUMBERS = {"o": ">B", "h": ">H", "l": ">I", "q": ">Q"}
TABLE_NUMBERS = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "f": ">f", "d": ">d",
                 "T": ">Q"}


@dataclass(frozen=True)
class Typed:
    """A field table value with its type letter spelt out."""

    tag: str
    value: object


@dataclass(frozen=True)
class Frame:
    kind: int
    channel: int
    payload: bytes


@dataclass(frozen=True)
class Method:
    """A decoded method; its arguments are attributes."""

    channel: int
    name: str
    arguments: dict = field(default_factory=dict)

    def __getattr__(self, name):
        try:
            return self.arguments[name]
        except KeyError:
            raise AttributeError(f"{self.name} has no {name}") from None


def short_string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([len(data)]) + data


def long_string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">I", len(data)) + data


def table(entries):
    body = b"".join(short_string(key) + value(each) for key, each in entries.items())
    return struct.pack(">I", len(body)) + body


def value(item):
    """One field value with its type letter."""
    if not isinstance(item, Typed):
        item = _typed(item)
    tag, content = item.tag, item.value
    if tag in TABLE_NUMBERS:
        data = struct.pack(TABLE_NUMBERS[tag], content)
    elif tag in "Sx":
        data = long_string(content)
    elif tag == "F":
        data = table(content)
    elif tag == "A":
        body = b"".join(value(each) for each in content)
        data = struct.pack(">I", len(body)) + body
    elif tag == "t":
        data = bytes([bool(content)])
    elif tag == "D":
        scale, unscaled = content
        data = struct.pack(">Bi", scale, unscaled)
    elif tag == "V":
        data = b""
    else:
        raise ValueError(tag)
    return tag.encode() + data


def _typed(item):
    if item is None:
        return Typed("V", None)
    if isinstance(item, bool):
        return Typed("t", item)
    if isinstance(item, int):
        return Typed("I" if -2**31 <= item < 2**31 else "l", item)
    if isinstance(item, (str, bytes)):
        return Typed("S", item)
    if isinstance(item, float):
        return Typed("d", item)
    if isinstance(item, dict):
        return Typed("F", item)
    if isinstance(item, (list, tuple)):
        return Typed("A", item)
    raise TypeError(type(item))


def read_exactly(stream, count):
    data = stream.read(count)
    if len(data) != count:
        raise ValueError("truncated")
    return data


def read_number(stream, form):
    return struct.unpack(form, read_exactly(stream, struct.calcsize(form)))[0]


def read_short_string(stream):
    return read_exactly(stream, read_number(stream, ">B")).decode()


def read_table(stream):
    """The entries as `Typed` values."""
    inner = io.BytesIO(read_exactly(stream, read_number(stream, ">I")))
    entries = {}
    while inner.tell() < len(inner.getbuffer()):
        key = read_short_string(inner)
        entries[key] = read_value(inner)
    return entries


def read_value(stream):
    tag = read_exactly(stream, 1).decode()
    if tag in TABLE_NUMBERS:
        content = read_number(stream, TABLE_NUMBERS[tag])
    elif tag in "Sx":
        content = read_exactly(stream, read_number(stream, ">I"))
    elif tag == "F":
        content = read_table(stream)
    elif tag == "A":
        inner = io.BytesIO(read_exactly(stream, read_number(stream, ">I")))
        content = []
        while inner.tell() < len(inner.getbuffer()):
            content.append(read_value(inner))
    elif tag == "t":
        content = bool(read_number(stream, ">B"))
    elif tag == "D":
        content = (read_number(stream, ">B"), read_number(stream, ">i"))
    elif tag == "V":
        content = None
    else:
        raise ValueError(f"unknown field type {tag!r}")
    return Typed(tag, content)


def plain(item):
    """A `Typed` value as an ordinary Python value; strings as text."""
    if isinstance(item, Typed):
        item = item.value
    if isinstance(item, dict):
        return {key: plain(each) for key, each in item.items()}
    if isinstance(item, list):
        return [plain(each) for each in item]
    if isinstance(item, bytes):
        return item.decode(errors="surrogateescape")
    return item


def frame(kind, channel, payload, end=FRAME_END, size=None):
    """A frame; `end` and `size` may lie."""
    announced = len(payload) if size is None else size
    return struct.pack(">BHI", kind, channel, announced) + payload + bytes([end])


def method(name, **arguments):
    """The payload of a method frame."""
    class_id, method_id, layout = METHODS[name]
    parts, bits = [struct.pack(">HH", class_id, method_id)], []

    def flush():
        if bits:
            parts.append(bytes([sum(bit << place for place, bit in enumerate(bits))]))
            bits.clear()

    for item in layout.split():
        kind, label = item.split(":")
        given = arguments.pop(label, DEFAULTS[kind])
        if kind == "b":
            bits.append(bool(given))
            continue
        flush()
        if kind in NUMBERS:
            parts.append(struct.pack(NUMBERS[kind], given))
        else:
            parts.append({"s": short_string, "S": long_string, "t": table}[kind](given))
    flush()
    if arguments:
        raise TypeError(f"{name} has no {', '.join(arguments)}")
    return b"".join(parts)


def parse_method(channel, payload):
    stream = io.BytesIO(payload)
    name = NAMES[(read_number(stream, ">H"), read_number(stream, ">H"))]
    arguments, bits, used = {}, 0, 8
    for item in METHODS[name][2].split():
        kind, label = item.split(":")
        if kind == "b":
            if used == 8:
                bits, used = read_number(stream, ">B"), 0
            arguments[label] = bool(bits >> used & 1)
            used += 1
            continue
        used = 8
        if kind in NUMBERS:
            arguments[label] = read_number(stream, NUMBERS[kind])
        elif kind == "s":
            arguments[label] = read_short_string(stream)
        elif kind == "S":
            arguments[label] = read_exactly(stream, read_number(stream, ">I"))
        else:
            arguments[label] = read_table(stream)
    return Method(channel, name, arguments)


PROPERTIES = [
    ("content_type", "s"), ("content_encoding", "s"), ("headers", "t"), ("delivery_mode", "o"), ("priority", "o"),
    ("correlation_id", "s"), ("reply_to", "s"), ("expiration", "s"), ("message_id", "s"), ("timestamp", "q"),
    ("type", "s"), ("user_id", "s"), ("app_id", "s"), ("cluster_id", "s"),
]


def content_header(size, class_id=60, **properties):
    """The payload of a content header frame."""
    flags, parts = 0, []
    for place, (label, kind) in enumerate(PROPERTIES):
        if label not in properties:
            continue
        flags |= 1 << (15 - place)
        given = properties.pop(label)
        if kind in NUMBERS:
            parts.append(struct.pack(NUMBERS[kind], given))
        else:
            parts.append(short_string(given) if kind == "s" else table(given))
    if properties:
        raise TypeError(f"no such property: {', '.join(properties)}")
    return struct.pack(">HHQH", class_id, 0, size, flags) + b"".join(parts)


def parse_content_header(payload):
    """Body size and properties of a content header frame."""
    stream = io.BytesIO(payload)
    _class_id, _weight, size, flags = struct.unpack(">HHQH", read_exactly(stream, 14))
    properties = {}
    for place, (label, kind) in enumerate(PROPERTIES):
        if flags >> (15 - place) & 1:
            if kind in NUMBERS:
                properties[label] = read_number(stream, NUMBERS[kind])
            else:
                properties[label] = read_short_string(stream) if kind == "s" else read_table(stream)
    return size, properties
