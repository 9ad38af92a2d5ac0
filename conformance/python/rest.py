"""A small client of the REST interface, and what its tests ask of it again and again."""

import base64
import contextlib
import http.client
import json as json_of
import re
import secrets
from urllib.parse import quote, urlencode, urlsplit

import pytest

from clients import differs_on_rabbitmq

# Every test of the REST interface carries these: no other broker has it, and a bare URL of AMQP does not tell where it is.
REST_ONLY = [pytest.mark.operated, differs_on_rabbitmq("it has no such REST interface")]
# Of every account that a test makes.
PASSWORD = "correct horse"
PROBLEM_TYPE = "application/problem+json"


def basic(login, password):
    """The value of Authorization for a login and its password."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


class Answer:
    """What the server answered."""

    def __init__(self, request, status, headers, body):
        self.request, self.status, self.headers, self.body = request, status, headers, body

    def __repr__(self):
        return f"{self.request}: {self.status} {self.body[:600]!r}"

    @property
    def json(self):
        assert self.headers.get_content_type() in ("application/json", PROBLEM_TYPE), repr(self)
        return json_of.loads(self.body)

    @property
    def text(self):
        """The body without what differs with every request."""
        return re.sub(r',?"request_id":"[^"]*"', "", self.body.decode())

    def ok(self, status=200):
        """The answer has that status; returns its JSON, or None where there is no body."""
        assert self.status == status, repr(self)
        if status == 204:
            assert self.body == b"", repr(self)
            return None
        return self.json

    def problem(self, status, *words):
        """The answer is a problem document (RFC 9457) of that status, its detail holding the words; returns it."""
        assert self.status == status, repr(self)
        assert self.headers["Content-Type"] == PROBLEM_TYPE, repr(self)
        problem = json_of.loads(self.body)
        assert problem["status"] == status, problem
        assert problem["type"].startswith("/problems/"), problem
        assert problem["title"] and problem["detail"], problem
        for word in words:
            assert word in problem["detail"], problem
        return problem


class Rest:
    """The REST interface as one account uses it; every call is a connection of its own, over TLS if asked for."""

    def __init__(self, broker, login="guest", password="guest", authorization=None, tls=None):
        self.broker, self.login, self.password, self.tls = broker, login, password, tls
        self.authorization = authorization if authorization is not None else basic(login, password)

    def call(self, method, path, json=None, body=None, headers=None, within=40, **query):
        """Sends `json` as a JSON body or `body` as it is; `query` goes behind the question mark."""
        sent = {"Authorization": self.authorization} if self.authorization else {}
        if json is not None:
            body = json_of.dumps(json).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        if query:
            path += "?" + urlencode({key: _text(value) for key, value in query.items()})
        link = self._connect(within)
        try:
            # A server that answers before it has read the whole body may close, and the answer is there all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                link.request(method, path, body, sent)
            answer = link.getresponse()
            return Answer(f"{method} {path}", answer.status, answer.headers, answer.read())
        finally:
            link.close()

    def _connect(self, within):
        if self.tls is None:
            return http.client.HTTPConnection(urlsplit(self.broker.http_url).netloc, timeout=within)
        return http.client.HTTPSConnection(urlsplit(self.broker.https_url).netloc, timeout=within, context=self.tls)

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def put(self, path, json=None, **options):
        return self.call("PUT", path, json, **options)

    def post(self, path, json=None, **options):
        return self.call("POST", path, json, **options)

    def patch(self, path, json=None, **options):
        return self.call("PATCH", path, json, **options)

    def delete(self, path, json=None, **options):
        return self.call("DELETE", path, json, **options)

    def make(self, queue, **wish):
        """Makes a queue, which must be new; returns its path."""
        path = queue_path(queue)
        self.put(path, wish).ok(201)
        return path

    def publish(self, queue, body=b"", headers=None, **attributes):
        """Publishes one message to the queue; returns its position."""
        data = body.encode() if isinstance(body, str) else body
        published = self.post(queue_path(queue) + "/messages", body=data, headers=headers, **attributes).ok(201)
        assert published["outcome"] == "stored", published
        return published["positions"][0]["position"]

    def pull(self, queue, **wish):
        """The messages of one pull."""
        return self.post(queue_path(queue) + "/pull", wish).ok()["messages"]

    def take(self, queue, within_ms=10_000, **wish):
        """The one message that there is, or comes in time."""
        messages = self.pull(queue, wait_ms=within_ms, **wish)
        assert len(messages) == 1, messages
        return messages[0]

    def settle(self, **wish):
        """Settles leases in bulk; returns what became of them."""
        return self.post("/v1/leases", wish).ok()

    def show(self, queue):
        return self.get(queue_path(queue)).ok()

    def ready(self, queue):
        return self.show(queue)["messages_ready"]


def _text(value):
    return str(value).lower() if isinstance(value, bool) else value


def queue_path(queue):
    return "/v1/queues/" + quote(queue, "")


def topic_path(topic):
    return "/v1/topics/" + quote(topic, "")


def lease_path(message, verb=""):
    """The path of a pulled message's lease."""
    return "/v1/leases/" + quote(message["lease"], "") + verb


def bodies(messages):
    """The bodies of messages, bytes where they are no text."""
    return [body_of(message) for message in messages]


def body_of(message):
    if message["body_encoding"] == "base64":
        return base64.b64decode(message["body"])
    return message["body"]


def unique(label):
    """A name that nothing else has."""
    return f"conformance.{secrets.token_hex(4)}.{label}"
