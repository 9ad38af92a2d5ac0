"""A client that is nothing but a socket and `wire`: sends anything, and says exactly what came back."""

import contextlib
import socket
import ssl
import struct
import time

from . import wire


class Closed(Exception):
    """The broker closed the connection or a channel by the protocol."""

    def __init__(self, method):
        super().__init__(f"{method.name} {method.reply_code} {method.reply_text}")
        self.method, self.code, self.text = method, method.reply_code, method.reply_text


class Gone(Exception):
    """The socket ended with no close method."""


class RawConnection:
    """A socket to the broker. Nothing is sent until asked; heartbeats are collected, not answered."""

    def __init__(self, broker, timeout=10.0, tls=False, receive_buffer=None):
        self.broker, self.timeout = broker, timeout
        self._socket = socket.socket(socket.AF_INET6 if ":" in broker.host else socket.AF_INET)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(timeout)
        self._socket.connect((broker.host, broker.tls_port if tls else broker.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        self._pending = bytearray()
        self.heartbeats = 0
        self.frame_max = 0
        self.largest_frame = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the socket without a word."""
        self._socket.close()

    # Sending

    def send_bytes(self, data):
        self._socket.sendall(data)

    def send_frame(self, kind, channel, payload, **lies):
        self.send_bytes(wire.frame(kind, channel, payload, **lies))

    def send(self, channel, name, **arguments):
        self.send_frame(wire.METHOD, channel, wire.method(name, **arguments))

    def call(self, channel, name, **arguments):
        """Sends a method and returns the `-ok` that answers it."""
        self.send(channel, name, **arguments)
        return self.expect(channel, name + "-ok")

    def publish(self, channel, routing_key, body=b"", exchange="", mandatory=False, immediate=False, **properties):
        """A whole publish, the body split at the negotiated frame size."""
        room = (self.frame_max or 131072) - 8
        frames = [
            wire.frame(wire.METHOD, channel, wire.method(
                "basic.publish", exchange=exchange, routing_key=routing_key, mandatory=mandatory,
                immediate=immediate)),
            wire.frame(wire.HEADER, channel, wire.content_header(len(body), **properties)),
        ]
        frames += [wire.frame(wire.BODY, channel, body[at:at + room]) for at in range(0, len(body), room)]
        self.send_bytes(b"".join(frames))

    # Receiving

    def _fill(self, count, deadline):
        while len(self._pending) < count:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self._socket.recv(262144)
            except ConnectionError as error:
                raise Gone(f"{error} after {bytes(self._pending[:80])!r}") from error
            except ssl.SSLError as error:
                raise Gone(str(error)) from error
            if not data:
                raise Gone(f"end of stream after {bytes(self._pending[:80])!r}")
            self._pending += data

    def recv_bytes(self, count, timeout=None):
        """Exactly that many bytes."""
        self._fill(count, time.monotonic() + (timeout or self.timeout))
        data = bytes(self._pending[:count])
        del self._pending[:count]
        return data

    def rest(self, timeout=None):
        """All bytes until the broker ends the stream; TimeoutError if it does not."""
        deadline = time.monotonic() + (timeout or self.timeout)
        try:
            while True:
                self._fill(len(self._pending) + 1, deadline)
        except Gone:
            data = bytes(self._pending)
            self._pending.clear()
            return data

    def recv_frame(self, timeout=None):
        """The next frame that is no heartbeat."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            self._fill(7, deadline)
            kind, channel, size = struct.unpack(">BHI", bytes(self._pending[:7]))
            self._fill(size + 8, deadline)
            payload, end = bytes(self._pending[7:7 + size]), self._pending[7 + size]
            del self._pending[:size + 8]
            assert end == wire.FRAME_END, f"frame end octet {end:#x}"
            self.largest_frame = max(self.largest_frame, size + 8)
            if kind == wire.HEARTBEAT:
                self.heartbeats += 1
                continue
            return wire.Frame(kind, channel, payload)

    def recv(self, timeout=None):
        """The next method; a close by the broker raises `Closed` (and a channel's is acknowledged)."""
        got = self.recv_frame(timeout)
        assert got.kind == wire.METHOD, f"expected a method, got {got}"
        method = wire.parse_method(got.channel, got.payload)
        if method.name == "channel.close":
            self.send(method.channel, "channel.close-ok")
            raise Closed(method)
        if method.name == "connection.close":
            raise Closed(method)
        return method

    def expect(self, channel, *names, timeout=None):
        """The next method, which must be one of `names` on `channel`."""
        method = self.recv(timeout)
        assert (method.channel, method.name) in [(channel, name) for name in names], f"{method} is not {names}"
        return method

    def recv_content(self, channel):
        """Properties and body that follow a deliver, get-ok or return."""
        header = self.recv_frame()
        assert (header.kind, header.channel) == (wire.HEADER, channel), header
        size, properties = wire.parse_content_header(header.payload)
        body = b""
        while len(body) < size:
            part = self.recv_frame()
            assert (part.kind, part.channel) == (wire.BODY, channel), part
            body += part.payload
        return properties, body

    def expect_closed(self, code, scope="connection", timeout=None):
        """Reads on until the broker closes the connection (or channel) with that code; returns the close."""
        deadline = time.monotonic() + (timeout or self.timeout)
        codes = code if isinstance(code, (tuple, set, frozenset)) else (code,)
        while True:
            got = self.recv_frame(max(0.001, deadline - time.monotonic()))
            if got.kind != wire.METHOD:
                continue
            method = wire.parse_method(got.channel, got.payload)
            if method.name in ("connection.close", "channel.close"):
                assert method.name == f"{scope}.close", f"{method}"
                assert method.reply_code in codes, f"{method.reply_code} {method.reply_text}, expected {codes}"
                with contextlib.suppress(OSError):
                    self.send(method.channel, f"{scope}.close-ok")
                return method

    # The handshake, whole or in steps

    def start(self):
        """Protocol header; returns connection.start."""
        self.send_bytes(wire.PROTOCOL_HEADER)
        return self.expect(0, "connection.start")

    def start_ok(self, mechanism="PLAIN", response=None, capabilities=None, properties=None):
        if response is None:
            response = f"\0{self.broker.username}\0{self.broker.password}".encode()
        sent = {"product": "conformance", **(properties or {})}
        if capabilities is not None:
            sent["capabilities"] = {name: True for name in capabilities}
        self.send(0, "connection.start-ok", client_properties=sent, mechanism=mechanism, response=response,
                  locale="en_US")

    def tune(self, frame_max=None, channel_max=None, heartbeat=0):
        """Takes tune and answers tune-ok; None agrees with the broker."""
        offered = self.expect(0, "connection.tune")
        self.frame_max = offered.frame_max if frame_max is None else frame_max
        self.send(0, "connection.tune-ok", frame_max=self.frame_max, heartbeat=heartbeat,
                  channel_max=offered.channel_max if channel_max is None else channel_max)
        return offered

    def open(self, vhost=None, channels=1, **options):
        """The whole handshake and that many channels, numbered from 1."""
        tuning = {key: options.pop(key) for key in ("frame_max", "channel_max", "heartbeat") if key in options}
        self.start()
        self.start_ok(**options)
        self.tune(**tuning)
        self.call(0, "connection.open", vhost=self.broker.vhost if vhost is None else vhost)
        for number in range(1, channels + 1):
            self.call(number, "channel.open")
        return self

    def fence(self, channel=1):
        """Everything sent on the channel before has been seen by the broker when this returns."""
        self.call(channel, "exchange.declare", exchange="amq.fanout", type="fanout", passive=True)
