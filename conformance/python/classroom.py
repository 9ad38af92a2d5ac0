"""Clients of the older systems whose place Chaski takes, as they are: bytes on a socket, JSON bodies on every method, gRPC by field numbers."""

import contextlib
import http.client
import json
import socket

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from harness.brokers import Chaski, port_of

PATIENCE = 30


def open_classroom(**settings):
    """A Chaski with the interfaces open, on free ports; a restart keeps them."""
    chosen = {f"classroom.{key}": value for key, value in settings.items()}
    return Classroom({"classroom.enabled": "true", **{f"classroom.{door}": "127.0.0.1:0" for door in ("chat", "rest", "grpc")}, **chosen})


class Classroom(Chaski):
    """A server with the interfaces for older clients."""

    def start(self):
        super().start()
        for door in ("chat", "rest", "grpc"):
            address = self.ready[f"classroom-{door}"]
            self._settings += ["--set", f"classroom.{door}={address}"]
            setattr(self, f"classroom_{door}", address)


class Plain:
    """A client of the plain chat: one connection that is kept, requests as it writes them."""

    def __init__(self, server, name=None):
        self.name = name
        self.socket = socket.create_connection(("127.0.0.1", port_of(server.classroom_chat)), timeout=PATIENCE)

    def send(self, method, path, body=b""):
        """Sends a request; returns the status and the body of the answer, read by its own length."""
        data = body.encode() if isinstance(body, str) else body
        head = f"{method} {path} HTTP/1.1\r\nHost: chat\r\nContent-Length: {len(data)}\r\n\r\n"
        self.socket.sendall(head.encode() + data)
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response.status, response.read()

    def register(self):
        return self.send("POST", "/user", self.name)

    def say(self, text):
        return self.send("POST", "/", f"{self.name}>{text}")

    def get(self):
        status, body = self.send("POST", "/getMsg", self.name)
        assert status == 200, (status, body)
        return body

    def close(self):
        self.socket.close()


@contextlib.contextmanager
def registering_plain(server):
    """Gives what opens clients of the plain chat that have registered; their names are free again at the end."""
    opened = []

    def maker(name):
        opened.append(Plain(server, name))
        assert opened[-1].register() == (201, b"")
        return opened[-1]

    yield maker
    for each in opened:
        with contextlib.suppress(OSError):
            each.send("DELETE", "/user", each.name)
        each.close()


class Json:
    """A client of the JSON interfaces: a body on every method, GET too."""

    def __init__(self, server):
        self.address = server.classroom_rest

    def raw(self, method, path, data=b"", headers=None):
        link = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            link.request(method, path, data, headers if headers is not None else {"Content-Type": "application/json"})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def call(self, method, path, **fields):
        """The status and what the JSON of the answer says."""
        status, body = self.raw(method, path, json.dumps(fields).encode())
        told = json.loads(body)
        if isinstance(told, dict):
            assert told["status"] == status, told
            assert ("message" in told) != ("data" in told), told
        return status, told


TEXT, INT32 = descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_INT32


def described(package, messages):
    """Message classes made at run time of nothing but names, field numbers and types."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package or 'bare'}_described.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, 1):
            message.field.add(name=field, number=number, type=kind, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    prefix = f"{package}." if package else ""
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(prefix + name)) for name in messages}


QUEUE = described("message_queue", {
    "Message": [("queue_name", TEXT)],
    "GetMessageResponse": [("status", INT32), ("message", TEXT), ("username", TEXT), ("api_key", TEXT), ("service", TEXT), ("queue_name", TEXT)],
    "SendMessageRequest": [("username", TEXT), ("api_key", TEXT), ("service", TEXT), ("response", TEXT), ("queue_name", TEXT)],
    "SendMessageResponse": [("status", INT32), ("message", TEXT)],
})


class Worker:
    """A worker service that is called by gRPC."""

    def __init__(self, server):
        self.channel = grpc.insecure_channel(server.classroom_grpc)

    def _call(self, method, request, answer):
        stub = self.channel.unary_unary(f"/message_queue.MessageQueue/{method}",
                                        request_serializer=lambda message: message.SerializeToString(),
                                        response_deserializer=QUEUE[answer].FromString)
        return stub(request, timeout=PATIENCE)

    def next(self, service):
        return self._call("getMessage", QUEUE["Message"](queue_name=service), "GetMessageResponse")

    def respond(self, work, response, **other):
        fields = dict(username=work.username, api_key=work.api_key, service=work.service, queue_name=work.queue_name)
        return self._call("sendMessage", QUEUE["SendMessageRequest"](**{**fields, **other}, response=response), "SendMessageResponse")

    def close(self):
        self.channel.close()
