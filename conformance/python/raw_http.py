"""HTTP by hand: any bytes go out, and what came back is said exactly."""

import contextlib
import http.client
import socket
from urllib.parse import urlsplit

from harness.waiting import Stopwatch
from rest import Answer, Rest


class Gone(Exception):
    """The server closed the connection without an answer."""


class RawHttp:
    """One connection to the server's HTTP port."""

    def __init__(self, broker, within=20):
        parts = urlsplit(broker.http_url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=within)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Sends; a server that has closed already is no failure here, the answer tells."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def request(self, line, headers=(), body=b""):
        """Sends a request as it is written, with only Host added."""
        lines = [f"{line} HTTP/1.1", f"Host: {self.host}", *headers]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def answer(self):
        """The next answer, or Gone."""
        response = http.client.HTTPResponse(self.socket)
        try:
            response.begin()
            return Answer("raw", response.status, response.headers, response.read())
        except (http.client.BadStatusLine, ConnectionError) as error:
            raise Gone(repr(error)) from error

    def status(self):
        """The status of the next answer, or None when the connection ends without one."""
        try:
            return self.answer().status
        except Gone:
            return None

    def end(self, within=20):
        """Waits until the server closes; returns all bytes that came until then."""
        self.socket.settimeout(within)
        seen = b""
        with contextlib.suppress(ConnectionError):
            while more := self.socket.recv(1 << 16):
                seen += more
        return seen


def serves_http(broker):
    """The server still answers a newcomer over HTTP, promptly."""
    watch = Stopwatch()
    assert Rest(broker).get("/v1/me", within=5).status == 200
    assert watch.seconds < 3
    return True
