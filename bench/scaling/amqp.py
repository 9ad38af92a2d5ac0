"""As much AMQP 0-9-1 as the curves need beyond `chaski bench`: a queue held at one depth, a requeue loop, a consumer that never reads.

All messages of a queue are alike, so that frames are made once and counted by their length: this client must cost little, as it
shares the machine with the server.
"""

import select
import socket
import struct
import time

CHUNK = 100
READ_BYTES = 1 << 18
METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
CONFIRM_BYTES = 21
TIMEOUT_S = 120


class AmqpError(Exception):
    """The server said something else than what a curve needs."""


def short(text):
    return bytes([len(text)]) + text.encode()


def frame(kind, payload, channel=1):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + END


def method(name, payload=b"", channel=1):
    return frame(METHOD, struct.pack(">HH", *name) + payload, channel)


def message(queue, size, durable):
    """A publish to the default exchange with its header and body."""
    properties = struct.pack(">HB", 0x1000, 2 if durable else 1)
    header = frame(HEADER, struct.pack(">HHQ", 60, 0, size) + properties)
    return method((60, 40), b"\0\0\0" + short(queue) + b"\0") + header + frame(BODY, b"x" * size)


class Client:
    """One connection with one channel."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.expect((10, 10))
        self.socket.sendall(method((10, 11), b"\0\0\0\0" + short("PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest"
                                   + short("en_US"), channel=0))
        channels, frame_max, _ = struct.unpack_from(">HIH", self.expect((10, 30)))
        self.socket.sendall(method((10, 31), struct.pack(">HIH", channels, frame_max, 0), channel=0))
        self.call((10, 40), short("/") + b"\0\0", channel=0)
        self.call((20, 10), b"\0")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self):
        """Everything that is there, at least a byte."""
        received = self.socket.recv(READ_BYTES)
        if not received:
            raise AmqpError("the server closed the connection")
        return received

    def next_frame(self):
        while True:
            if len(self.rest) >= 7:
                kind, _, length = struct.unpack_from(">BHI", self.rest)
                if len(self.rest) >= length + 8:
                    payload, self.rest = self.rest[7:7 + length], self.rest[length + 8:]
                    return kind, payload
            self.rest += self.receive()

    def expect(self, name):
        """Skips what is under way until the server says this."""
        while True:
            kind, payload = self.next_frame()
            said = struct.unpack_from(">HH", payload) if kind == METHOD else None
            if said == name:
                return payload[4:]
            if said in ((10, 50), (20, 40)):
                code, length = struct.unpack_from(">HB", payload, 4)
                raise AmqpError(f"{code} {payload[7:7 + length].decode(errors='replace')}")

    def call(self, name, payload=b"", channel=1):
        self.socket.sendall(method(name, payload, channel))
        return self.expect((name[0], name[1] + 1))

    def declare(self, queues, durable=False):
        """Declares queues, many at a time."""
        for begin in range(0, len(queues), 200):
            part = queues[begin:begin + 200]
            self.socket.sendall(b"".join(
                method((50, 10), b"\0\0" + short(queue) + (b"\2" if durable else b"\0") + b"\0\0\0\0") for queue in part))
            for _ in part:
                self.expect((50, 11))

    def depth(self, queue):
        """The messages that are ready."""
        answer = self.call((50, 10), b"\0\0" + short(queue) + b"\1\0\0\0\0")
        return struct.unpack_from(">I", answer, 1 + answer[0])[0]


class Publisher(Client):
    """Publishes like messages to one queue, with confirms."""

    def __init__(self, address, queue, size, durable=True, window=1000):
        super().__init__(address)
        self.one = message(queue, size, durable)
        self.chunk = self.one * CHUNK
        self.window = window
        self.sent = self.confirmed = 0
        self.call((85, 10), b"\0")

    def room(self):
        return self.window - (self.sent - self.confirmed)

    def send(self, count):
        self.socket.sendall(self.chunk if count == CHUNK else self.one * count)
        self.sent += count

    def take_confirms(self):
        """Reads what has come; confirms come in order, so the last one says it all."""
        data = self.rest + self.receive()
        whole = len(data) // CONFIRM_BYTES * CONFIRM_BYTES
        self.rest = data[whole:]
        if whole:
            kind, _, length, *name, tag, _, _ = struct.unpack_from(">BHIHHQBB", data, whole - CONFIRM_BYTES)
            if (kind, length, name) != (METHOD, 13, [60, 80]):
                raise AmqpError("the server answered a publish with something else than a confirm")
            self.confirmed = tag

    def publish(self, count):
        """Sends so many and waits until all are confirmed."""
        until = self.sent + count
        while self.confirmed < until:
            while self.sent < until and self.room() >= CHUNK:
                self.send(min(CHUNK, until - self.sent))
            self.take_confirms()


class Consumer(Client):
    """Takes like messages from one queue."""

    def __init__(self, address, queue, prefetch=1000):
        super().__init__(address)
        self.settled = 0
        if prefetch:
            self.call((60, 10), struct.pack(">IHB", 0, prefetch, 0))
        self.call((60, 20), b"\0\0" + short(queue) + short("c") + (b"\0" if prefetch else b"\2") + b"\0\0\0\0")
        # From here on bytes are only counted: the first delivery shows the length of all.
        self.bytes, self.unit = len(self.rest), 0
        self.measure()

    def measure(self):
        at = 0
        for _ in range(3):
            if len(self.rest) < at + 7:
                return
            at += 8 + struct.unpack_from(">I", self.rest, at + 3)[0]
        if len(self.rest) >= at:
            self.rest, self.unit = b"", at

    def delivered(self):
        return self.bytes // self.unit if self.unit else 0

    def take(self):
        """Reads what has come and counts it."""
        data = self.receive()
        self.bytes += len(data)
        if not self.unit:
            self.rest += data
            self.measure()

    def ack(self, tag):
        self.socket.sendall(method((60, 80), struct.pack(">QB", tag, 1)))
        self.settled = tag

    def requeue(self):
        """Gives everything back."""
        self.socket.sendall(method((60, 120), struct.pack(">QB", 0, 3)))

    def drain(self, count):
        """Takes and acknowledges so many."""
        until = self.settled + count
        while self.settled < until:
            if (tag := min(self.delivered(), until)) > self.settled:
                self.ack(tag)
            else:
                self.take()

    def finish(self):
        """Closes the connection in order: the server took all acks before."""
        self.socket.sendall(method((10, 50), struct.pack(">HBHH", 200, 0, 0, 0), channel=0))
        while self.socket.recv(READ_BYTES):
            pass


def flow(publisher, consumer, count):
    """Puts so many in and takes as many out; what was queued before stays in number. Gives the seconds."""
    began = time.monotonic()
    first, taken = publisher.sent, consumer.settled
    while consumer.settled - taken < count or publisher.confirmed - first < count:
        busy = False
        published = publisher.sent - first
        if published < count and publisher.room() >= CHUNK and published - (consumer.settled - taken) < publisher.window:
            publisher.send(min(CHUNK, count - published))
            busy = True
        # What lay there before is delivered too, but never acknowledged beyond what was published.
        if (tag := min(consumer.delivered(), taken + publisher.sent - first)) > consumer.settled:
            consumer.ack(tag)
            busy = True
        ready, _, _ = select.select([publisher.socket, consumer.socket], [], [], 0 if busy else TIMEOUT_S)
        if not ready and not busy:
            raise AmqpError(f"nothing moved for {TIMEOUT_S} s")
        if publisher.socket in ready:
            publisher.take_confirms()
        if consumer.socket in ready:
            consumer.take()
    return time.monotonic() - began
